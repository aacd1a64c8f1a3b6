"""Kill whole trees, many at once, without ever holding up the loop."""

from __future__ import annotations

import os
import signal
from typing import Callable, Protocol

from harness_core.keeper.server import cgroups, processes
from harness_core.keeper.server.loop import URGENT, Loop, Timer

QUIET_SCANS = 5
QUIET_SCANS_IN_DOUBT = 25
PAUSE_FIRST, PAUSE_MOST = 0.002, 0.05


class Tree(Protocol):
    """What can be killed: a run or a transient command."""

    cgroup: str | None

    @property
    def live(self) -> bool:
        """Whether the main process was not reaped yet."""

    def marks(self) -> processes.Marks:
        """What its processes can be told by."""


class _Kill:
    """One tree on its way out."""

    __slots__ = ("done", "events", "quiet", "timer", "tree")

    def __init__(self, tree: Tree, done: Callable[[list[tuple[int, str]]], None]) -> None:
        self.tree = tree
        self.done = [done]
        self.events = -1
        self.quiet = 0
        self.timer: Timer | None = None


class Killer:
    """The kills under way. By cgroup: one write and a wait. Else by process groups, until several scans find nothing."""

    def __init__(self, loop: Loop, mains: Callable[[], frozenset[int]]) -> None:
        self._loop = loop
        self._mains = mains
        self._kills: dict[int, _Kill] = {}
        self._pause = PAUSE_FIRST
        self._sweeping: Timer | None = None

    def kill(self, tree: Tree, within: float, done: Callable[[list[tuple[int, str]]], None]) -> None:
        """Kill the tree; ``done`` gets an empty list, or after ``within`` seconds what still lives."""
        kill = self._kills.get(id(tree))
        if kill is not None:
            kill.done.append(done)
        else:
            kill = self._kills[id(tree)] = _Kill(tree, done)
            self._begin(kill)
        if id(tree) in self._kills:
            if kill.timer is not None:
                kill.timer.cancel()
            kill.timer = self._loop.later(within, lambda: self._give_up(kill))

    @property
    def busy(self) -> bool:
        """Whether a kill is under way."""
        return bool(self._kills)

    def main_ended(self, tree: Tree) -> None:
        """Look at once whether that was the last of it."""
        kill = self._kills.get(id(tree))
        if kill is None:
            return
        if kill.events >= 0:
            self._check_cgroup(kill)
        else:
            self._sweep_soon(PAUSE_FIRST)

    def members(self, tree: Tree) -> set[int]:
        """The live processes of a tree."""
        if tree.cgroup is not None and os.path.isdir(tree.cgroup):
            return set(cgroups.pids(tree.cgroup))
        if tree.cgroup is not None:
            return set()
        mains = self._mains()
        marks = tree.marks()
        if not tree.live and not marks.foreign and processes.strange_children(mains) == []:
            return set()
        return processes.Snapshot(mains).members(marks)

    def _begin(self, kill: _Kill) -> None:
        path = kill.tree.cgroup
        if path is None:
            self._sweep_soon(0.0)
            return
        try:
            cgroups.kill(path)
            kill.events = cgroups.open_events(path)
        except FileNotFoundError:
            # Removed when it was empty; by somebody else if the main process still lives.
            kill.tree.cgroup = None
            if kill.tree.live:
                self._sweep_soon(0.0)
            else:
                self._finish(kill, [])
            return
        self._loop.watch(kill.events, URGENT, lambda mask: self._check_cgroup(kill))
        self._check_cgroup(kill)

    def _check_cgroup(self, kill: _Kill) -> None:
        if not kill.tree.live and not cgroups.populated(kill.events):
            self._finish(kill, [])

    def _sweep_soon(self, pause: float) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._pause = max(pause, PAUSE_FIRST)
        self._sweeping = self._loop.later(pause, self._sweep)

    def _sweep(self) -> None:
        """One reading of /proc for all kills by groups: a whole group at a time, since that is atomic against fork."""
        self._sweeping = None
        kills = [kill for kill in self._kills.values() if kill.tree.cgroup is None]
        if not kills:
            return
        mains = self._mains()
        snapshot = processes.Snapshot(mains)
        strangers = processes.strange_children(mains)
        for kill in kills:
            members = snapshot.members(kill.tree.marks())
            for group in snapshot.groups(members):
                _signal_group(group)
            kill.quiet = 0 if members else kill.quiet + 1
            if not kill.tree.live and kill.quiet >= self._quiet_enough(kill.tree, snapshot, strangers):
                self._finish(kill, [])
        if any(kill.tree.cgroup is None for kill in self._kills.values()):
            self._sweep_soon(min(PAUSE_MOST, self._pause * 1.5))

    def _quiet_enough(self, tree: Tree, snapshot: processes.Snapshot, strangers: list[int] | None) -> int:
        """How many empty scans prove a tree gone. A process that hops by forking is easily missed by one."""
        if strangers is None or tree.marks().foreign:
            return QUIET_SCANS
        # What is left of the tree is one of these, or below one: if the scan saw them all, one is proof.
        return 1 if snapshot.saw(strangers) else QUIET_SCANS_IN_DOUBT

    def _give_up(self, kill: _Kill) -> None:
        left = sorted(self.members(kill.tree))
        self._finish(kill, [(pid, processes.command_line(pid)) for pid in left])

    def _finish(self, kill: _Kill, survivors: list[tuple[int, str]]) -> None:
        if self._kills.pop(id(kill.tree), None) is None:
            return
        if kill.timer is not None:
            kill.timer.cancel()
        if kill.events >= 0:
            self._loop.unwatch(kill.events)
            os.close(kill.events)
            kill.events = -1
        if not survivors and kill.tree.cgroup is not None:
            cgroups.remove(kill.tree.cgroup)
        for done in kill.done:
            done(survivors)


def _signal_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
    except PermissionError:
        return  # changed its user out of our reach: reported as a survivor when the time is over
