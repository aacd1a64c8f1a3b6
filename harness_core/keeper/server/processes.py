"""Which processes belong to a tree, where no cgroup holds it together."""

from __future__ import annotations

import os
from typing import NamedTuple

from harness_core.keeper.server import kernel

LOOKS = 4
"""Times that our children are listed in search of a list that holds still."""
UNSEEN = -1
"""Stands for a child that keeps hopping: no snapshot has seen it."""


class Marks(NamedTuple):
    """What the processes of one tree can be told by."""

    pid: int
    alive: bool
    """The main process is not reaped yet, so its pid (and session number) is nobody else's."""
    tag: bytes
    """``HARNESS_RUN=…`` or ``HARNESS_EXEC=…`` in the environment."""
    fifos: tuple[str, ...] = ()
    """Output FIFOs: an orphan that cleared its environment still holds them."""
    foreign: bool = False
    """Started by an earlier keeper: its orphans are not our children, but process 1's or another subreaper's."""
    keeper: bytes = b""
    """``HARNESS_KEEPER=…`` besides: runs of another keeper may have the same names."""

    def fit(self, environment: bytes) -> bool:
        """Whether an environment has the tag."""
        entries = environment.split(b"\0")
        return self.tag in entries and (not self.keeper or self.keeper in entries)


class Snapshot:
    """One reading of /proc, asked about any number of trees."""

    def __init__(self, mains: frozenset[int]) -> None:
        self._mains = mains
        self._me = os.getpid()
        self._parent: dict[int, int] = {}
        self._group: dict[int, int] = {}
        self._session: dict[int, int] = {}
        self._marked: dict[int, tuple[bytes, tuple[str, ...]]] = {}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                fields = kernel.stat_fields(name)
            except (OSError, ValueError):
                continue  # gone meanwhile
            if fields[0] in b"ZX":
                continue  # process 1 may reap late: a zombie counts as gone
            pid = int(name)
            self._parent[pid], self._group[pid], self._session[pid] = int(fields[1]), int(fields[2]), int(fields[3])
            if self._parent[pid] == self._me and pid not in mains:
                self._marks_of(pid)  # at once: one that hops by forking is gone before the rest of /proc is read

    def members(self, marks: Marks) -> set[int]:
        """The live processes of a tree."""
        found = set()
        for pid, parent in self._parent.items():
            if pid == self._me or (pid in self._mains and pid != marks.pid):
                continue
            is_main = marks.alive and marks.pid in (pid, self._session[pid])
            if is_main or ((parent == self._me or marks.foreign) and self._is_orphan_of(pid, parent, marks)):
                found.add(pid)
        while True:
            more = {pid for pid, parent in self._parent.items() if parent in found} - found
            if not more:
                return found
            found |= more

    def saw(self, pids: list[int]) -> bool:
        """Whether all of these were there already when this was read."""
        return all(pid in self._parent for pid in pids)

    def groups(self, pids: set[int]) -> set[int]:
        """Their process groups, ours excluded."""
        return {self._group[pid] for pid in pids} - {0, 1, self._group.get(self._me, 0)}

    def _is_orphan_of(self, pid: int, parent: int, marks: Marks) -> bool:
        # Only what was our descendant becomes our child: then a session number is proof enough. Of a foreign tree a
        # number alone could be a stranger's by now.
        if parent == self._me and self._session[pid] == marks.pid:
            return True
        environment, outputs = self._marks_of(pid)
        return marks.fit(environment) or any(path in outputs for path in marks.fifos)

    def _marks_of(self, pid: int) -> tuple[bytes, tuple[str, ...]]:
        if pid not in self._marked:
            environment, outputs = b"", []
            try:
                with open("/proc/%d/environ" % pid, "rb") as file:
                    environment = file.read()
                for number in (1, 2):
                    outputs.append(os.readlink("/proc/%d/fd/%d" % (pid, number)))
            except OSError:
                pass  # somebody else's, or closed: what was read so far counts
            self._marked[pid] = environment, tuple(outputs)
        return self._marked[pid]


def strange_children(mains: frozenset[int]) -> list[int] | None:
    """The live children of ours that are no main process we know; None where the kernel does not list children.

    A descendant of a reaped main process is always one of them or below one: with none, that tree is gone.
    """
    try:
        before = _children()
        for _ in range(LOOKS):
            live = [pid for pid in before if pid not in mains and kernel.stat_fields(pid)[0] not in b"ZX"]
            after = _children()
            # One that forked and ended between the list and the look at its state is a zombie by now, and what it left has
            # become our child: only a list that brings nobody new proves that all were looked at.
            if after <= before:
                return live
            before = after
    except OSError:
        return None
    return [UNSEEN]


def _children() -> set[int]:
    with open("/proc/self/task/%d/children" % os.getpid()) as file:
        # They cannot vanish meanwhile: only we reap them.
        return {int(pid) for pid in file.read().split()}


def command_line(pid: int) -> str:
    """What a process was started as, for people."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return file.read(300).replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def usage(pids: set[int]) -> tuple[int, float, int]:
    """Resident bytes, CPU seconds and number of the live ones among these processes."""
    page, ticks = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    rss = cpu = count = 0
    for pid in pids:
        try:
            fields = kernel.stat_fields(pid)
        except (OSError, ValueError):
            continue
        if fields[0] in b"ZX":
            continue
        rss += int(fields[21]) * page
        cpu += int(fields[11]) + int(fields[12])
        count += 1
    return rss, cpu / ticks, count
