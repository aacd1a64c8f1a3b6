"""Take over what an earlier keeper left running: recognised by identity, never by a number alone."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING, Any, Callable

from harness_core.keeper.server import cgroups_limits, fifos, kernel
from harness_core.keeper.server.loop import READ
from harness_core.keeper.server.processes import Marks
from harness_core.keeper.server.run import Run, encode_mark, read_mark
from harness_core.keeper.server.transient import KILL_WITHIN

if TYPE_CHECKING:
    from harness_core.keeper.server.keeper import Keeper

REAPED_WITHIN = 0.5


def adopt(keeper: Keeper) -> None:
    """Bring back every run that was not disposed of. A live one is a stranger's child now: taken by pidfd, then boot id,
    then start time.
    """
    marks, records = _last_records(keeper)
    found = []
    for run in _runs(keeper, marks):
        keeper.open_segments(run)
        record = records.get(run.run)
        if record is not None:
            run.restore(record)
        elif not _find_unrecorded(keeper, run):
            run.remove_files()  # its keeper died before it had started anything
            continue
        run.foreign = True
        try:
            run.segments.resume()
        except OSError as error:
            keeper.notes.append("the stored output of run %s is damaged: %s" % (run.run, error.strerror))
        keeper.runs[run.run] = run
        found.append(run)
    keeper.hierarchies.sweep({"r-" + name for name in keeper.runs})
    keeper.rewrite_journal()
    end_transients(keeper)
    for run in found:
        _reopen_output(keeper, run)
        if run.live:
            _take(keeper, run)


def end_transients(keeper: Keeper) -> None:
    """Kill what is left of transient commands that nobody can ask for any more."""
    for name in os.listdir(keeper.execs_dir):
        _end_transient(keeper, name)


def watch(keeper: Keeper, run: Run) -> None:
    """Notice the end of a run that is not our child, by its pidfd."""
    keeper.loop.watch(run.pidfd, READ, _Watch(keeper, run))


def _runs(keeper: Keeper, marks: dict[str, dict[str, Any]]) -> list[Run]:
    """The runs that were asked for and not disposed of; folders that belong to none are removed."""
    runs = []
    for name in sorted({*marks, *os.listdir(keeper.runs_dir)}):
        folder = os.path.join(keeper.runs_dir, name)
        try:
            written = encode_mark(marks[name]) if name in marks else None
            mark = marks[name] if name in marks else read_mark(folder)
        except (OSError, ValueError):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            runs.append(Run(folder, mark, fifo_dir=keeper.fifo_dir, written=written))
    return runs


def _last_records(keeper: Keeper) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """What the journal says by run: what it was asked to be, and what became of it."""
    marks: dict[str, dict[str, Any]] = {}
    records: dict[str, dict[str, Any]] = {}
    for record in keeper.journal.replay():
        kind, run = record.pop("ev", None), record.get("run")
        if not isinstance(run, str):
            continue
        if kind == "mark":
            marks[run] = record
        elif kind in ("run", "started"):
            records[run] = record
        elif kind == "exited" and run in records:
            records[run]["exit"] = {name: record[name] for name in ("code", "signal", "reason", "at")}
        elif kind == "disposed":
            records.pop(run, None)
            marks.pop(run, None)
    return marks, records


def _find_unrecorded(keeper: Keeper, run: Run) -> bool:
    """Find a run whose keeper died between its start and the note of it: by its tag, as leader of its session."""
    marks = run.marks()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        pid = int(name)
        try:
            with open("/proc/%d/environ" % pid, "rb") as file:
                tagged = marks.fit(file.read())
            if tagged and int(kernel.stat_fields(pid)[3]) == pid and not _is_transient(pid):
                run.pid, run.start_ticks, run.boot_id = pid, kernel.start_ticks(pid), keeper.boot_id
                run.started_at = os.stat("/proc/%d" % pid).st_mtime
                _guess_cgroup(keeper, run)
                return True
        except OSError:
            continue  # somebody else's, or gone meanwhile
    return False


def _is_transient(pid: int) -> bool:
    with open("/proc/%d/environ" % pid, "rb") as file:
        return any(entry.startswith(b"HARNESS_EXEC=") for entry in file.read().split(b"\0"))


def _guess_cgroup(keeper: Keeper, run: Run) -> None:
    run.limit_groups = cgroups_limits.groups_of(run.pid, run.run)
    with open("/proc/%d/cgroup" % run.pid) as file:
        ours = any(line.startswith("0::") and line.rstrip("\n").endswith("/r-" + run.run) for line in file)
    if ours and keeper.cgroups is not None:
        run.cgroup, run.containment = os.path.join(keeper.cgroups.base, "r-" + run.run), "cgroup"


class _Leftover:
    """A transient command whose keeper died, and with it everybody who could have asked for it."""

    live = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.cgroup: str | None = None

    def marks(self) -> Marks:
        return Marks(-1, False, b"HARNESS_EXEC=" + self.name.encode(), foreign=True)


def _end_transient(keeper: Keeper, name: str) -> None:
    def ended(survivors: list[tuple[int, str]]) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(keeper.execs_dir, name))

    keeper.killer.kill(_Leftover(name), KILL_WITHIN, ended)


def _reopen_output(keeper: Keeper, run: Run) -> None:
    for path, stream in run.fifos:
        try:
            fd = fifos.reopen(path, run.pid if run.live else -1, 1 if stream == 3 else stream)
        except OSError:
            continue  # of a terminal, which died with its keeper
        keeper.capture(run, fd, stream)
    if not run.live:
        for capture in run.captures:
            capture.drain()  # closes it unless something of the run still writes
    run.output_ended()  # unless there is one that goes on


def _take(keeper: Keeper, run: Run) -> None:
    run.pidfd = _identified(keeper, run)
    if run.pidfd < 0:
        keeper.run_ended(run, None, reason="lost")
        return
    run.adopted = run.foreign = True
    watch(keeper, run)
    keeper.emit("adopted", project=run.project, service=run.service, **run.record())


def _identified(keeper: Keeper, run: Run) -> int:
    # The handle first, the comparison second: whatever the pid's owner does between, the handle stays what was compared.
    try:
        pidfd = kernel.pidfd_open(run.pid)
    except OSError:
        return -1
    try:
        if run.boot_id == keeper.boot_id and kernel.start_ticks(run.pid) == run.start_ticks:
            return pidfd
    except OSError:
        pass
    os.close(pidfd)
    return -1


class _Watch:
    """Notices the end of a process that is not our child."""

    def __init__(self, keeper: Keeper, run: Run) -> None:
        self._keeper, self._run = keeper, run
        self._waiting: Callable[[], None] | None = None

    def __call__(self, mask: int) -> None:
        told, status = kernel.pidfd_exit_status(self._run.pidfd)
        if status is None:
            status = kernel.zombie_exit_status(self._run.pid, self._run.start_ticks)
        if status is not None or not told:
            self._end(status)
        elif self._waiting is None:
            # Dead, not reaped by its parent (process 1, mostly), and not ours to look at: the kernel tells how it ended
            # once it is reaped, which may take its time. A hang-up is reported whatever is asked for.
            self._keeper.loop.change(self._run.pidfd, 0)
            self._waiting = self._keeper.loop.later(REAPED_WITHIN, lambda: self._end(None)).cancel

    def _end(self, status: int | None) -> None:
        if self._waiting is not None:
            self._waiting()
        if self._run.pidfd < 0:
            return
        self._keeper.loop.unwatch(self._run.pidfd)
        os.close(self._run.pidfd)
        self._run.pidfd = -1
        self._keeper.run_ended(self._run, status)
