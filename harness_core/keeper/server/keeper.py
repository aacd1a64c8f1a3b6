"""The keeper itself: its runs, its events, and what happens when a child ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Protocol

from harness_core.keeper.server import fifos, kernel
from harness_core.keeper.server.capture import Capture
from harness_core.keeper.server.cgroups import Cgroups
from harness_core.keeper.server.cgroups_limits import ran_out_of_memory
from harness_core.keeper.server.cgroups_v1 import Hierarchies
from harness_core.keeper.server.code import fingerprint
from harness_core.keeper.server.journal import Journal
from harness_core.keeper.server.killing import Killer
from harness_core.keeper.server.refusal import Refusal
from harness_core.keeper.server.run import Run
from harness_core.keeper.server.segments import Segments

if TYPE_CHECKING:
    from harness_core.keeper.server.loop import Loop
    from harness_core.keeper.server.transient import Transient

MOST_EVENTS = 20_000


class Main(Protocol):
    """Whoever owns a main process."""

    def ended(self, status: int | None) -> None:
        """Take note of its wait status; None where nobody can tell."""


class Subscriber(Protocol):
    """A client that hears events."""

    name: str

    def send(self, line: bytes) -> None:
        """Queue one line."""


class Keeper:
    """Owns every run of one state folder."""

    def __init__(self, loop: Loop, state_dir: str, *, file_limit: tuple[int, int], oom_score: str | None) -> None:
        self.loop = loop
        self.state_dir = state_dir
        self.file_limit = file_limit
        self.oom_score = oom_score
        self.boot_id = kernel.boot_id()
        self.epoch = os.urandom(8).hex()
        self.seq = 0
        self.fifo_dir = fifos.folder(state_dir)
        self.notes: list[str] = []
        self.runs: dict[str, Run] = {}
        self.mains: dict[int, Main] = {}
        self.transients: dict[str, Transient] = {}
        self.subscribers: set[Subscriber] = set()
        self.acknowledged: dict[str, int] = {}
        self.events: deque[tuple[int, bytes]] = deque()
        self.journal = Journal(os.path.join(state_dir, "journal"))
        self.killer = Killer(loop, lambda: frozenset(self.mains))
        self.cgroups: Cgroups | None = None
        self.hierarchies = Hierarchies(state_dir)
        self.code = fingerprint()
        self.being_replaced = False
        """Whether somebody has asked for that, and it is not yet known to be possible."""
        self.leaving = False
        """Whether other code is about to take over: no transient command is begun any more."""
        self._unwritten = False

    def find_cgroups(self) -> None:
        """Find out whether runs can have a cgroup each on this machine."""
        self.cgroups, denied = Cgroups.detect(self.state_dir)
        if denied:
            self.notes.append("trees are killed by process groups: " + denied)

    @property
    def containment(self) -> str:
        """How new runs are held together."""
        return "cgroup" if self.cgroups is not None else "process-groups"

    @property
    def runs_dir(self) -> str:
        """Where each run has its folder."""
        return os.path.join(self.state_dir, "runs")

    @property
    def execs_dir(self) -> str:
        """Where each transient command leaves an empty file while it lives."""
        return os.path.join(self.state_dir, "execs")

    def find(self, run: Any) -> Run:
        """The run of that name; refuses an unknown one."""
        found = self.runs.get(run) if isinstance(run, str) else None
        if found is None:
            raise Refusal("no-such-run", "the keeper knows no run %r" % (run,))
        return found

    def emit(self, event: str, /, **fields: Any) -> None:
        """Write an event down, keep it until every named client acknowledged it, and tell who listens."""
        self.seq += 1
        line = json.dumps({"ev": event, "seq": self.seq, "at": time.time(), **fields}, separators=(",", ":")).encode() + b"\n"
        try:
            self.journal.append(line)
        except OSError as error:
            self._journal_failed(error)
        else:
            self._unwritten = False
        self.events.append((self.seq, line))
        if len(self.events) > MOST_EVENTS:
            self.events.popleft()  # whoever still needs it gets the full list instead
        for subscriber in list(self.subscribers):
            subscriber.send(line)
        if self.journal.wants_compaction:
            self.compact()

    def note(self, kind: str, text: str, run: str | None = None) -> None:
        """Tell people something."""
        self.emit("note", kind=kind, text=text, run=run)

    def compact(self) -> None:
        """Make the journal as short as what is true now."""
        try:
            self.rewrite_journal()
        except OSError:
            self.journal.postpone()  # no room to write it anew; the old one is still good

    def rewrite_journal(self) -> None:
        """Let the journal say what is true now and nothing else, at once; OSError leaves the old one."""
        self.journal.rewrite(run.mark_line() + _line({"ev": "run", **run.record()}) for run in self.runs.values())

    def write_mark(self, run: Run) -> None:
        """Write down what a run is to be, before anything of it exists; OSError on a full disk."""
        self.journal.append_intent(run.mark_line())

    def forget_mark(self, run: Run) -> None:
        """Write down that nothing came of a run."""
        with contextlib.suppress(OSError):  # the next keeper will look for it, and find nothing
            self.journal.append(_line({"ev": "disposed", "run": run.run}))

    def acknowledge(self, name: str, seq: int) -> None:
        """Forget the events that every named client has seen."""
        self.acknowledged[name] = max(seq, self.acknowledged.get(name, 0))
        seen = min(self.acknowledged.values())
        while self.events and self.events[0][0] <= seen:
            self.events.popleft()

    def replay(self, epoch: Any, cursor: int) -> list[bytes] | None:
        """The events after a cursor; None when not all of them are known any more."""
        first = self.events[0][0] if self.events else self.seq + 1
        if epoch != self.epoch or not first - 1 <= cursor <= self.seq:
            return None
        return [line for seq, line in self.events if seq > cursor]

    def reap(self) -> None:
        """Collect every child that ended, our own and the orphans that became ours."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            main = self.mains.pop(pid, None)
            if main is not None:
                main.ended(status)

    def capture(self, run: Run, fd: int, stream: int) -> None:
        """Store what comes out of a descriptor as the run's output."""
        run.captures.append(Capture(self.loop, fd, stream, run.store, run.output_ended))

    @property
    def idle(self) -> bool:
        """Whether nothing lives that needs a keeper: no run, nothing that a run left, no transient command."""
        if self.transients or self.killer.busy or any(run.live for run in self.runs.values()):
            return False
        return not any(self.killer.members(run) for run in self.runs.values())

    def open_segments(self, run: Run) -> None:
        """Prepare the place where a run's output is stored."""

        def trouble(text: str) -> None:
            self.note("output", text, run.run)

        run.segments = Segments(run.folder, max_size=run.logs["max_size"], keep=run.logs["keep"], on_trouble=trouble)

    def run_ended(self, run: Run, status: int | None, *, reason: str | None = None) -> None:
        """Everything that was written before the exit is stored before anybody hears of the exit."""
        code, signal_name = kernel.code_and_signal(status) if status is not None else (None, None)
        # A shell whose last command was killed passes that on as its exit code; of a stranger's child nobody may know.
        killed = signal_name == "KILL" or (signal_name is None and code in (None, 128 + signal.SIGKILL))
        if killed and ran_out_of_memory(run.cgroup, run.limit_groups):
            reason = "oom"
        for capture in run.captures:
            capture.drain()
        if run.feed is not None:
            run.feed.close()
        run.exit = {"code": code, "signal": signal_name, "reason": reason, "at": time.time()}
        run.output_ended()
        run.remove_groups()  # unless something of it lives on
        self.emit("exited", run=run.run, **run.exit)
        run.wake_readers()
        self.killer.main_ended(run)

    def kill(self, run: Run, within: float, done: Callable[[list[tuple[int, str]]], None]) -> None:
        """Kill a run's tree, and the transient commands beside it."""
        beside = [transient for transient in self.transients.values() if transient.run == run.run]
        survivors: list[tuple[int, str]] = []
        waiting = 1 + len(beside)

        def one_done(left: list[tuple[int, str]]) -> None:
            nonlocal waiting
            survivors.extend(left)
            waiting -= 1
            if not waiting:
                done(survivors)

        for transient in beside:
            transient.kill(within, one_done)

        def run_done(left: list[tuple[int, str]]) -> None:
            if not left:
                run.remove_groups()
            one_done(left)

        self.killer.kill(run, within, run_done)

    def dispose(self, name: str) -> None:
        """Free everything a finished run holds; refuses while anything of it lives."""
        run = self.runs.get(name)
        if run is None:
            return
        if run.live:
            raise Refusal("run-lives", "run %r is still running (pid %d): kill it first" % (name, run.pid))
        left = sorted(self.killer.members(run))
        if left:
            raise Refusal("run-lives", "run %r ended, but %d of its processes live on (pid %s): kill it first"
                          % (name, len(left), ", ".join(map(str, left[:5]))))  # fmt: skip
        run.release()
        run.remove_groups()
        self.runs.pop(name)
        run.remove_files()
        self.emit("disposed", run=name)

    def make_killable(self, pid: int) -> None:
        """Undo for a child what protects the keeper from the kernel's memory killer."""
        if self.oom_score is not None:
            with contextlib.suppress(OSError), open("/proc/%d/oom_score_adj" % pid, "w") as file:
                file.write(self.oom_score)

    def crashed(self, text: str) -> None:
        """Write the traceback of a handler that failed to the keeper's own log, and say so."""
        write_trouble(self.state_dir, text)
        self.note("internal", "a handler failed and was removed: %s" % text.strip().splitlines()[-1])

    def _journal_failed(self, error: OSError) -> None:
        if not self._unwritten:
            self._unwritten = True
            self.loop.soon(lambda: self.note("journal", "changes cannot be written down: %s" % error.strerror))


def write_trouble(state_dir: str, text: str) -> None:
    """Add to the keeper's own log, which is there only when something went wrong."""
    path = os.path.join(state_dir, "keeper.log")
    with contextlib.suppress(OSError):
        if os.path.exists(path) and os.path.getsize(path) > 1 << 20:
            os.replace(path, path + ".1")
        with open(path, "a") as file:
            file.write("%s\n%s\n" % (time.strftime("%Y-%m-%dT%H:%M:%S%z"), text))


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"
