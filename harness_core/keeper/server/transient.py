"""A command beside a run, for as long as one client wants it: a health check, or somebody's shell."""

from __future__ import annotations

import base64
import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, Callable, Protocol

from harness_core.keeper.server import cgroups, cgroups_limits, kernel, launch
from harness_core.keeper.server.capture import Capture
from harness_core.keeper.server.feed import Feed
from harness_core.keeper.server.processes import Marks
from harness_core.keeper.server.refusal import Refusal
from harness_core.keeper.server.spawning import RUN_NAME as EXEC_NAME
from harness_core.keeper.server.spawning import file_limit, open_terminal, start_within

if TYPE_CHECKING:
    from harness_core.keeper.server.keeper import Keeper
    from harness_core.keeper.server.loop import Timer

HIGH_WATER = 1 << 20
KILL_WITHIN = 5.0


class Owner(Protocol):
    """The client that asked for it."""

    backlog: int

    def tell(self, message: dict[str, Any]) -> None:
        """Queue one message."""

    def when_flushed(self, call: Callable[[], None]) -> None:
        """Call once the client has taken what was queued."""


class Transient:
    """One such command. Its output is streamed, never stored; nothing of it outlives the main process or the client."""

    def __init__(self, keeper: Keeper, owner: Owner, request: dict[str, Any]) -> None:
        self.name: str = request["exec"]
        if not EXEC_NAME.match(self.name):
            raise Refusal("bad-request", "a transient command is named by 1 to 32 of a-z 0-9 -, not %r" % self.name)
        self.run: str | None = request.get("run")
        self._trace = os.path.join(keeper.execs_dir, self.name)
        self.cgroup: str | None = None
        self.live = True
        self.pid = 0
        self._keeper, self.owner = keeper, owner
        self._left: int | None = request.get("limit")
        self._window: int | None = request.get("window")
        self._unread = 0
        self._flushing = False
        self._dropped = 0
        self._captures: list[Capture] = []
        self.feed: Feed | None = None
        self.terminal = -1
        self._lifetime: Timer | None = None
        self._reason: str | None = None
        try:
            self._start(request)
        except BaseException as error:
            self._release()
            self._forget()
            if self.cgroup is not None:
                cgroups.remove(self.cgroup)
            if isinstance(error, OSError):
                raise launch.explain(error) from None
            raise
        keeper.transients[self.name] = self
        keeper.mains[self.pid] = self
        if request.get("lifetime") is not None:
            self._lifetime = keeper.loop.later(request["lifetime"], self._outlived)

    def marks(self) -> Marks:
        """What its processes can be told by."""
        return Marks(self.pid, self.live, b"HARNESS_EXEC=" + self.name.encode())

    def ended(self, status: int | None) -> None:
        """Deliver the rest, then the exit, then see that nothing stays behind."""
        self.live = False
        if self._lifetime is not None:
            self._lifetime.cancel()
        for capture in self._captures:
            capture.drain()
        code, signal = kernel.code_and_signal(status) if status is not None else (None, None)
        if self._dropped:
            self._tell_output(b"", "out")
        self.owner.tell({"x": self.name, "end": True})
        self.owner.tell({"x": self.name, "exit": {"code": code, "signal": signal, "reason": self._reason, "at": time.time()}})
        self._release()
        if self.cgroup is not None and cgroups.remove(self.cgroup):
            self._forget()
        else:
            self.kill(KILL_WITHIN, lambda survivors: None)
        self._keeper.killer.main_ended(self)

    def was_read(self, size: int) -> None:
        """Take note that so many bytes of its output have reached whoever wanted them: there is room for more."""
        self._unread -= size
        self._resume()

    def kill(self, within: float, done: Callable[[list[tuple[int, str]]], None]) -> None:
        """Kill it as a tree."""

        def killed(survivors: list[tuple[int, str]]) -> None:
            if not survivors:
                self._forget()
            done(survivors)

        self._keeper.killer.kill(self, within, killed)

    def abandon(self) -> None:
        """Kill it without anybody to tell."""
        self.kill(KILL_WITHIN, lambda survivors: None)

    def replaced(self) -> None:
        """Kill it because the keeper is being replaced, and say so."""
        self._reason = "replaced"
        self.abandon()

    def _forget(self) -> None:
        self._keeper.transients.pop(self.name, None)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._trace)

    def _outlived(self) -> None:
        self._reason = "timeout"
        self.abandon()

    def _start(self, request: dict[str, Any]) -> None:
        env = {**request["env"], "HARNESS_EXEC": self.name, "HARNESS_KEEPER": self._keeper.state_dir}
        if self.run is not None:
            run = self._keeper.find(self.run)
            env.update(HARNESS_PROJECT=run.project, HARNESS_SERVICE=run.service, HARNESS_RUN=run.run)
        command = launch.look_up(request["argv"], env, request["cwd"], request.get("user"))
        lent: list[int] = []
        try:
            tty = self._open_terminal(request, command, lent) if request.get("tty") else None
            files = [] if tty is not None else self._open_pipes(request, lent)
            self._make_cgroup()
            # A keeper that comes after us finds by this what to kill: nobody would ever ask for it.
            os.close(os.open(self._trace, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            nofile, _ = file_limit(self._keeper, {})
            self.pid = start_within(self._keeper, self.cgroup, command, files, tty=tty, nofile=nofile)
            if self.run is not None:
                cgroups_limits.join(self._keeper.find(self.run).limit_groups, self.pid)
        finally:
            for fd in lent:
                os.close(fd)

    def _make_cgroup(self) -> None:
        groups = self._keeper.cgroups
        if groups is None:
            return
        parent = self._keeper.runs[self.run].cgroup if self.run is not None else None
        if parent is not None and not os.path.isdir(parent):
            parent = None  # of a run that ended
        self.cgroup = groups.make("x-" + self.name, parent)

    def _open_terminal(self, request: dict[str, Any], command: launch.Command, lent: list[int]) -> str:
        self.terminal, path, slave = open_terminal(int(request.get("rows") or 24), int(request.get("columns") or 80))
        lent.append(slave)
        if command.identity is not None:
            os.fchown(slave, command.identity.uid, -1)
        self._watch(self.terminal, 3)
        self.feed = Feed(self._keeper.loop, self.terminal, owned=False)
        return path

    def _open_pipes(self, request: dict[str, Any], lent: list[int]) -> list[int]:
        if request.get("stdin"):
            theirs, ours = os.pipe()
            os.set_blocking(ours, False)
            self.feed = Feed(self._keeper.loop, ours, owned=True)
        else:
            theirs = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        lent.append(theirs)
        files = [theirs]
        for stream in (1, 2):
            ours, theirs = os.pipe()
            lent.append(theirs)
            os.set_blocking(ours, False)
            self._watch(ours, stream)
            files.append(theirs)
        return files

    def _watch(self, fd: int, stream: int) -> None:
        self._captures.append(Capture(self._keeper.loop, fd, stream, self._take, self._output_ended))

    def _take(self, data: memoryview, stream: int) -> None:
        if self._left is not None:
            self._dropped += max(0, len(data) - self._left)
            data = data[: self._left]
            self._left -= len(data)
            if not data:
                return
        self._tell_output(bytes(data), {1: "out", 2: "err"}.get(stream, "mixed"))
        self._unread += len(data)
        if self.owner.backlog > HIGH_WATER and self.live and not self._flushing:
            self._flushing = True
            self.owner.when_flushed(self._flushed)
        if self._flushing or self._full:
            for capture in self._captures:
                capture.pause()

    def _output_ended(self) -> None:
        if self.terminal >= 0:
            self.terminal = -1
            if self.feed is not None:
                self.feed.close()

    @property
    def _full(self) -> bool:
        return self._window is not None and self._unread >= self._window

    def _flushed(self) -> None:
        self._flushing = False
        self._resume()

    def _resume(self) -> None:
        if self.live and not self._flushing and not self._full:
            for capture in self._captures:
                capture.resume()

    def _tell_output(self, data: bytes, stream: str) -> None:
        dropped, self._dropped = self._dropped, 0
        encoded = base64.b64encode(data).decode()
        self.owner.tell({"x": self.name, "stream": stream, "data": encoded, "dropped": dropped})

    def _release(self) -> None:
        if self.feed is not None:
            self.feed.close()
        for capture in self._captures:
            capture.close()


def find(keeper: Keeper, name: Any) -> Transient:
    """The transient command of that name."""
    found = keeper.transients.get(name) if isinstance(name, str) else None
    if found is None:
        raise Refusal("no-such-run", "no such transient command: %r" % (name,))
    return found
