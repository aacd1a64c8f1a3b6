"""The limits of one run: in its cgroup v2 where that has the controller, else in a group of version 1 made for it.

A run is born in all of its groups (ADR 10 and 26): the keeper steps in, spawns, steps out. What would hurt the keeper while it
stands there is set once it has left: memory and CPU are counted from the first instruction on all the same.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import Any, Callable

from harness_core.keeper.server import cgroups_v1
from harness_core.keeper.server.cgroups import CPU_PERIOD, LIMITING, Cgroups, oom_kills, remove, write
from harness_core.keeper.server.cgroups_v1 import Hierarchies, Hierarchy


class Bounds:
    """What a run may use, and the groups that hold it to that; ``groups`` are those of version 1, by controller."""

    def __init__(self, run: str, limits: dict[str, Any], *, cgroup: str | None, modern: Cgroups | None, old: Hierarchies) -> None:
        self._limits = limits
        self._cgroup = cgroup
        self._modern: set[str] = set()
        self._entered: list[Hierarchy] = []
        self._hierarchies: dict[str, Hierarchy] = {}
        self.groups: dict[str, str] = {}
        self.notes: list[str] = []
        for controller in LIMITING:
            if limits.get(controller) is None:
                continue
            try:
                if cgroup is not None and modern is not None and modern.has(controller):
                    modern.enable(controller)
                    self._modern.add(controller)
                    continue
                hierarchy = old.get(controller)
                if hierarchy is not None:
                    self.groups[controller] = hierarchy.make("r-" + run)
                    self._hierarchies[controller] = hierarchy
                    continue
                why = "no cgroup with that controller can be made here"
            except OSError as error:
                why = str(error.strerror)
            self.notes.append("limits.%s was not applied: %s" % (controller, why))

    def start(self, spawn: Callable[[], int]) -> int:
        """The pid of what ``spawn`` starts, born within the bounds."""
        pid = 0
        try:
            # One more for the keeper, which counts while it stands there; taken back before it leaves.
            self._set("pids", self._allow_processes, one_more=1)
            for controller, hierarchy in self._hierarchies.items():
                self._enter(controller, hierarchy)
            pid = spawn()
        finally:
            self._set("pids", self._allow_processes, one_more=0)
            self._leave(pid)
        self._set("memory", self._allow_memory, pid=pid)
        self._set("cpu", self._allow_cpu)
        return pid

    def _enter(self, controller: str, hierarchy: Hierarchy) -> None:
        try:
            hierarchy.enter(self.groups[controller])
            self._entered.append(hierarchy)
        except OSError as error:
            remove(self.groups.pop(controller))
            self._note(controller, error)

    def _leave(self, pid: int) -> None:
        while self._entered:
            try:
                self._entered.pop().leave()
            except OSError:
                if pid:
                    os.kill(pid, signal.SIGKILL)
                raise

    def _set(self, controller: str, allow: Callable[..., None], **how: int) -> None:
        if controller in self._modern or controller in self.groups:
            try:
                allow(self._limits[controller], **how)
            except OSError as error:
                self._note(controller, error)

    def _note(self, controller: str, error: OSError) -> None:
        note = "limits.%s was not applied: %s" % (controller, error.strerror)
        if note not in self.notes:
            self.notes.append(note)

    def _allow_processes(self, most: int, *, one_more: int) -> None:
        write(os.path.join(self._folder("pids"), "pids.max"), str(most + one_more))

    def _allow_memory(self, most: int, *, pid: int) -> None:
        if "memory" in self._modern:
            write(os.path.join(self._folder("memory"), "memory.max"), str(most))
            return
        try:
            cgroups_v1.limit_memory(self.groups["memory"], most)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # Version 2 would kill at once what uses more; here that is left to us.
            os.kill(pid, signal.SIGKILL)
            self.notes.append("limits.memory: it used more than %d bytes as soon as it ran, and was killed" % most)

    def _allow_cpu(self, cores: float) -> None:
        quota = max(1000, int(cores * CPU_PERIOD))
        if "cpu" in self._modern:
            write(os.path.join(self._folder("cpu"), "cpu.max"), "%d %d" % (quota, CPU_PERIOD))
        else:
            cgroups_v1.limit_cpu(self.groups["cpu"], quota)

    def _folder(self, controller: str) -> str:
        if controller in self._modern:
            assert self._cgroup is not None
            return self._cgroup
        return self.groups[controller]


def ran_out_of_memory(cgroup: str | None, groups: dict[str, str]) -> bool:
    """Whether the kernel killed something of a run for want of memory."""
    return bool((cgroup and oom_kills(cgroup)) or ("memory" in groups and cgroups_v1.oom_kills(groups["memory"])))


def join(groups: dict[str, str], pid: int) -> None:
    """Put a command that runs beside a run under its limits.

    It is moved after its start: the keeper does not step into groups that are in use, where it would wait for CPU time or memory
    together with them.
    """
    for path in groups.values():
        try:
            write(os.path.join(path, "cgroup.procs"), str(pid))
        except OSError:
            continue  # it, or the run, has ended


def free(groups: dict[str, str]) -> None:
    """Remove the groups of a run in which nothing lives any more."""
    for path in groups.values():
        remove(path)


def groups_of(pid: int, run: str) -> dict[str, str]:
    """The groups of version 1 that a process of this run was born in."""
    return {name: path for name, path in cgroups_v1.folders_of(pid).items() if os.path.basename(path) == "r-" + run}
