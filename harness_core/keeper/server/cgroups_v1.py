"""Version 1 of cgroups, for limits alone: where a controller is mounted the old way, version 2 does not have it."""

from __future__ import annotations

import contextlib
import os

from harness_core.keeper.server.cgroups import CPU_PERIOD, LIMITING, base_name, open_procs, remove, write


class Hierarchy:
    """The tree of one controller; what the keeper makes there stands below where the keeper itself is."""

    def __init__(self, top: str, home: str, base: str) -> None:
        self._top = top
        self._door = open_procs(home)
        self.base = base

    def make(self, name: str) -> str:
        """A new group; OSError where none can be made."""
        path = os.path.join(self.base, name)
        os.makedirs(path, exist_ok=True)
        return path

    def enter(self, path: str) -> None:
        """Move the keeper itself there, so that what it spawns next is born there."""
        write(os.path.join(path, "cgroup.procs"), "0")

    def leave(self) -> None:
        """Move the keeper back home, or out of the limited group at least."""
        try:
            os.write(self._door, b"0")
        except OSError:  # somebody removed the home meanwhile
            write(os.path.join(self._top, "cgroup.procs"), "0")


class Hierarchies:
    """Those of the controllers that limit something, each found when it is first asked for."""

    def __init__(self, state_dir: str) -> None:
        self._name = base_name(state_dir)
        self._homes: dict[str, str] | None = None
        self._found: dict[str, Hierarchy | None] = {}

    def get(self, controller: str) -> Hierarchy | None:
        """The controller's hierarchy; None where there is none, or nothing can be made in it."""
        if controller not in self._found:
            self._found[controller] = self._find(controller)
        return self._found[controller]

    def sweep(self, known: set[str]) -> None:
        """Remove the empty groups of runs that nobody knows any more: their keeper died while it made them."""
        for home in self._own_folders().values():
            base = os.path.join(home, self._name)
            if os.path.isdir(base):
                for entry in os.scandir(base):
                    if entry.is_dir() and entry.name not in known:
                        remove(entry.path)
                remove_empty(base)

    def close(self) -> None:
        """Remove what is empty; groups in which runs live stay."""
        for home in self._own_folders().values():
            remove_empty(os.path.join(home, self._name))

    def _find(self, controller: str) -> Hierarchy | None:
        home = self._own_folders().get(controller)
        if home is None:
            return None
        try:
            return Hierarchy(_mounts()[controller][0], home, os.path.join(home, self._name))
        except OSError:
            return None  # not ours to move processes in

    def _own_folders(self) -> dict[str, str]:
        if self._homes is None:
            self._homes = folders_of("self") if os.environ.get("HARNESS_KEEPER_CGROUPS") != "off" else {}
        return self._homes


def folders_of(pid: int | str) -> dict[str, str]:
    """Where a process stands in the hierarchy of each limiting controller."""
    mounts = _mounts()
    found = {}
    with open("/proc/%s/cgroup" % pid) as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            for controller in names.split(","):
                if controller in mounts:
                    mount, root = mounts[controller]
                    inside = os.path.relpath(path, root)
                    if not inside.startswith(".."):
                        found[controller] = os.path.normpath(os.path.join(mount, inside))
    return found


def limit_memory(path: str, value: int) -> None:
    """Bound memory, and memory with swap where that is counted; OSError EBUSY when more is in use already."""
    write(os.path.join(path, "memory.limit_in_bytes"), str(value))
    with contextlib.suppress(FileNotFoundError):
        write(os.path.join(path, "memory.memsw.limit_in_bytes"), str(value))


def limit_cpu(path: str, quota: int) -> None:
    """Bound CPU time in each period."""
    write(os.path.join(path, "cpu.cfs_period_us"), str(CPU_PERIOD))
    write(os.path.join(path, "cpu.cfs_quota_us"), str(quota))


def oom_kills(path: str) -> int:
    """How many processes of a memory group the kernel killed for want of memory."""
    try:
        with open(os.path.join(path, "memory.oom_control")) as file:
            return int(dict(line.split() for line in file).get("oom_kill", 0))
    except OSError:
        return 0


def remove_empty(path: str) -> None:
    """Remove a group with nothing in it; one that is in use stays."""
    with contextlib.suppress(OSError):
        os.rmdir(path)


def _mounts() -> dict[str, tuple[str, str]]:
    """For each limiting controller that is mounted the old way: where, and which part of its hierarchy."""
    found: dict[str, tuple[str, str]] = {}
    with open("/proc/self/mountinfo") as file:
        for line in file:
            fields = line.split()
            kind, _, options = fields[fields.index("-") + 1 :][:3]
            if kind == "cgroup":
                for controller in set(options.split(",")).intersection(LIMITING):
                    found.setdefault(controller, (fields[4], fields[3]))
    return found
