"""From a request to a running process, or back to nothing."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import re
import resource
import signal
import struct
import termios
import time
from typing import TYPE_CHECKING, Any

from harness_core.keeper.server import fifos, kernel, launch
from harness_core.keeper.server.cgroups import LIMITING
from harness_core.keeper.server.cgroups_limits import Bounds
from harness_core.keeper.server.feed import MOST, Feed
from harness_core.keeper.server.refusal import Refusal
from harness_core.keeper.server.run import Run, encode_mark

if TYPE_CHECKING:
    from harness_core.keeper.server.keeper import Keeper

RUN_NAME = re.compile(r"[a-z0-9-]{1,32}\Z")
SHAPE = {
    "project": str, "service": str, "run": str, "argv": list, "env": dict, "cwd": str, "stdin": bool, "tty": bool,
    "limits": dict, "logs": dict, "labels": dict,
}  # fmt: skip


class _Owner:
    """Ties a main process to its run."""

    __slots__ = ("keeper", "run")

    def __init__(self, keeper: Keeper, run: Run) -> None:
        self.keeper, self.run = keeper, run

    def ended(self, status: int | None) -> None:
        self.keeper.run_ended(self.run, status)


def own(keeper: Keeper, run: Run) -> None:
    """Let the end of the run's main process, a child of ours, be noticed."""
    keeper.mains[run.pid] = _Owner(keeper, run)


def spawn(keeper: Keeper, request: dict[str, Any]) -> dict[str, Any]:
    """Start a run, or give the one that exists under this name; a Refusal leaves nothing behind."""
    for name, kind in SHAPE.items():
        if not isinstance(request.get(name), kind):
            raise Refusal("bad-request", "spawn needs %r as %s" % (name, kind.__name__))
    if not RUN_NAME.match(request["run"]):
        raise Refusal("bad-request", "a run is named by 1 to 32 of a-z 0-9 -, not %r" % request["run"])
    existing = keeper.runs.get(request["run"])
    if existing is not None:
        return existing.started()
    env = {
        **request["env"],
        "HARNESS_PROJECT": request["project"], "HARNESS_SERVICE": request["service"], "HARNESS_RUN": request["run"],
        "HARNESS_KEEPER": keeper.state_dir,
    }  # fmt: skip
    prologue = _prologue(request)
    command = launch.look_up(request["argv"], env, request["cwd"], request.get("user"))
    mark = _mark(request)
    run = Run(os.path.join(keeper.runs_dir, request["run"]), mark, fifo_dir=keeper.fifo_dir, written=encode_mark(mark))
    keeper.open_segments(run)
    try:
        keeper.write_mark(run)
        borrowed: list[int] = []
        try:
            files, tty = _open_files(keeper, run, request, command, borrowed)
            _launch(keeper, run, request, command, files, tty)
        finally:
            for fd in borrowed:
                os.close(fd)
    except BaseException as error:
        _undo(keeper, run)
        keeper.forget_mark(run)
        if isinstance(error, OSError):
            raise launch.explain(error) from None
        raise
    keeper.runs[run.run] = run
    own(keeper, run)
    if prologue and run.feed is not None:
        run.feed.write(prologue, lambda: None)
        if not request["stdin"]:
            run.feed.write(None, lambda: None)
    keeper.emit("started", project=run.project, service=run.service, **run.record())
    return run.started()


def file_limit(keeper: Keeper, limits: dict[str, Any]) -> tuple[tuple[int, int], str | None]:
    """The soft and hard limit of open files for a command, and a note if it is not the one asked for."""
    soft, hard = keeper.file_limit
    wanted = limits.get("nofile")
    if wanted is None:
        return (soft, hard), None
    if wanted > hard:
        return (hard, hard), "limits.nofile %d was not applied: this machine allows at most %d here" % (wanted, hard)
    return (wanted, wanted), None


def open_terminal(rows: int, columns: int) -> tuple[int, str, int]:
    """A new terminal: its keeper's side, its path, and a handle that keeps the path valid."""
    master, slave = os.openpty()
    os.set_blocking(master, False)
    resize(slave, rows, columns)
    return master, os.ttyname(slave), slave


def resize(terminal: int, rows: int, columns: int) -> None:
    """Set a terminal's size."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _prologue(request: dict[str, Any]) -> bytes:
    """What the command is to read first, before anything that a client writes."""
    prologue = base64.b64decode(request.get("prologue") or "", validate=True)
    if prologue and request["tty"]:
        raise Refusal("bad-request", "a prologue does not go with a terminal, which would echo it")
    if len(prologue) > MOST:
        raise Refusal("bad-request", "a prologue has at most %d bytes, not %d" % (MOST, len(prologue)))
    return prologue


def _mark(request: dict[str, Any]) -> dict[str, Any]:
    logs = request["logs"]
    settings = {name: int(logs.get(name, value)) for name, value in (("max_size", 16 << 20), ("keep", 4))}
    settings["merge"] = bool(logs.get("merge"))
    if not 1 <= settings["max_size"] < 1 << 31 or settings["keep"] < 1:
        raise Refusal("bad-request", "logs need 1 <= max_size < 2 GiB and keep >= 1, not %r" % (logs,))
    kept = {name: request[name] for name in ("project", "service", "run", "labels", "stdin", "tty")}
    return {**kept, "logs": settings, "spec": request.get("spec")}


def _open_files(
    keeper: Keeper, run: Run, request: dict[str, Any], command: launch.Command, borrowed: list[int]
) -> tuple[list[int], str | None]:
    """What becomes 0, 1 and 2 of the command; ``borrowed`` gets what is ours only until it has started."""
    if request["tty"]:
        master, path, slave = open_terminal(24, 80)
        borrowed.append(slave)
        if command.identity is not None:
            os.fchown(slave, command.identity.uid, -1)
        keeper.capture(run, master, 3)
        run.feed = Feed(keeper.loop, master, owned=False)
        return [], path
    if request["stdin"] or request.get("prologue"):
        theirs, ours = os.pipe()
        borrowed.append(theirs)
        os.set_blocking(ours, False)
        run.feed = Feed(keeper.loop, ours, owned=True)
    else:
        theirs = 0  # our own /dev/null
    files = [theirs]
    for path, stream in run.fifos:
        fifos.make(path)
        if command.identity is not None:
            os.chown(path, command.identity.uid, command.identity.gid)
        keeper.capture(run, os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), stream)
        # Read and write: the command holds its FIFO open itself, so that our death is no SIGPIPE for it.
        files.append(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        borrowed.append(files[-1])
    return [*files, files[-1]][:3], None


def _launch(
    keeper: Keeper, run: Run, request: dict[str, Any], command: launch.Command, files: list[int], tty: str | None
) -> None:
    limits = request["limits"]
    nofile, note = file_limit(keeper, limits)
    run.notes = [note] if note else []
    if keeper.cgroups is not None:
        run.cgroup, run.containment = keeper.cgroups.make("r-" + run.run), "cgroup"

    def start() -> int:
        return start_within(keeper, run.cgroup, command, files, tty=tty, nofile=nofile)

    if any(limits.get(name) is not None for name in LIMITING):
        bounds = Bounds(run.run, limits, cgroup=run.cgroup, modern=keeper.cgroups, old=keeper.hierarchies)
        run.limit_groups = bounds.groups
        run.pid = bounds.start(start)
        run.notes += bounds.notes
    else:
        run.pid = start()
    run.boot_id, run.started_at = keeper.boot_id, time.time()
    run.start_ticks = kernel.start_ticks(run.pid)
    if limits.get("nofile") is not None:
        with contextlib.suppress(OSError, ValueError):  # gone already, or changed its user: the soft limit holds
            resource.prlimit(run.pid, resource.RLIMIT_NOFILE, nofile)


def start_within(
    keeper: Keeper, cgroup: str | None, command: launch.Command, files: list[int], *, tty: str | None, nofile: tuple[int, int]
) -> int:
    """The pid of a command that was born inside the cgroup."""
    groups = keeper.cgroups
    if groups is None or cgroup is None:
        pid = launch.start(command, files, tty=tty, nofile=nofile)
    else:
        pid = 0
        groups.enter(cgroup)
        try:
            pid = launch.start(command, files, tty=tty, nofile=nofile)
        finally:
            try:
                groups.leave()
            except OSError:
                keeper.cgroups = None  # its way home is gone: never again, and nothing may run where we stand
                if pid:
                    os.kill(pid, signal.SIGKILL)
                raise
    keeper.make_killable(pid)
    return pid


def _undo(keeper: Keeper, run: Run) -> None:
    run.release()
    run.remove_files()
    run.remove_groups()
