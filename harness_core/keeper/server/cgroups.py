"""A cgroup of its own for each run, on machines where the keeper may make one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os

CPU_PERIOD = 100_000
LIMITING = ("memory", "cpu", "pids")
"""The controllers that a run can be limited by."""


class Cgroups:
    """Children of the keeper's own cgroup v2. A process is *born* in its cgroup: the keeper steps in, spawns, steps out."""

    def __init__(self, home: str, base: str) -> None:
        self._home = home
        self._door = open_procs(home)
        self.base = base
        self._top = os.path.dirname(base)
        self._enabled: set[str] = set()

    @classmethod
    def detect(cls, state_dir: str) -> tuple[Cgroups | None, str]:
        """What this machine lets us make, or None and why not; proved by trying, not by reading flags.

        ``HARNESS_KEEPER_CGROUPS=off`` in the keeper's environment declines them, where an administrator wants none made.
        """
        if os.environ.get("HARNESS_KEEPER_CGROUPS") == "off":
            return None, "HARNESS_KEEPER_CGROUPS=off"
        home = _own_folder()
        if home is None:
            return None, "no cgroup v2 hierarchy is mounted"
        base = os.path.join(home, base_name(state_dir))
        try:
            groups = cls(home, base)
            if not os.path.isdir(base):
                os.mkdir(base)
            groups.enter(base)
            groups.leave()
            os.stat(os.path.join(base, "cgroup.kill"))
        except OSError as error:
            return None, "no cgroup of its own can be made in %s (%s)" % (home, error.strerror)
        return groups, ""

    def hand_over(self) -> dict[str, str]:
        """What the keeper that replaces this one makes its ``Cgroups`` with: it may not be where it began any more."""
        return {"home": self._home, "base": self.base}

    def make(self, name: str, parent: str | None = None) -> str:
        """A new, empty cgroup."""
        path = os.path.join(parent or self.base, name)
        # One that exists is of a spawn that was cut off: empty, or its processes are killed with this run.
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
        return path

    def enter(self, path: str) -> None:
        """Move the keeper itself there, so that what it spawns next is born there."""
        write(os.path.join(path, "cgroup.procs"), "0")

    def leave(self) -> None:
        """Move the keeper back home."""
        os.write(self._door, b"0")

    def has(self, controller: str) -> bool:
        """Whether the controller is one of version 2 here."""
        try:
            with open(os.path.join(self._top, "cgroup.controllers")) as file:
                return controller in file.read().split()
        except OSError:
            return False

    def enable(self, controller: str) -> None:
        """Let the groups of runs have a controller."""
        if controller in self._enabled:
            return
        control = os.path.join(self._top, "cgroup.subtree_control")
        try:
            write(control, "+" + controller)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # A cgroup that hands controllers down may hold no process itself: move into a leaf first.
            leaf = os.path.join(self._top, "keeper-" + os.path.basename(self.base))
            if not os.path.isdir(leaf):
                os.mkdir(leaf)
            self.enter(leaf)
            write(control, "+" + controller)
            os.close(self._door)
            self._home, self._door = leaf, open_procs(leaf)
        write(os.path.join(self.base, "cgroup.subtree_control"), "+" + controller)
        self._enabled.add(controller)


def base_name(state_dir: str) -> str:
    """What the groups of one state folder's runs stand in."""
    return "harness-" + hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:12]


def kill(path: str) -> None:
    """Kill everything in a cgroup and below at once."""
    write(os.path.join(path, "cgroup.kill"), "1")


def open_events(path: str) -> int:
    """A descriptor that becomes urgent when the cgroup gets empty or not empty."""
    return os.open(os.path.join(path, "cgroup.events"), os.O_RDONLY | os.O_CLOEXEC)


def populated(events: int) -> bool:
    """Whether a live process is in the cgroup or below; zombies do not count."""
    try:
        return b"populated 1" in os.pread(events, 4096, 0)
    except OSError as error:
        if error.errno == errno.ENODEV:
            return False  # removed
        raise


def pids(path: str) -> list[int]:
    """The processes in a cgroup and below."""
    found = []
    for folder, _, _ in os.walk(path):
        try:
            with open(os.path.join(folder, "cgroup.procs")) as file:
                found += [int(line) for line in file]
        except OSError:
            continue  # removed meanwhile
    return found


def remove(path: str) -> bool:
    """Remove an empty cgroup and what is below; False while something lives in it."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        below = [entry.path for entry in os.scandir(path) if entry.is_dir()] if os.path.isdir(path) else []
        if not below or [child for child in below if not remove(child)]:
            return not os.path.isdir(path)
        return remove(path)
    return True


def cpu_seconds(path: str) -> float | None:
    """CPU time of all that ever ran in a cgroup."""
    try:
        with open(os.path.join(path, "cpu.stat")) as file:
            fields = dict(line.split() for line in file)
    except OSError:
        return None
    return int(fields["usage_usec"]) / 1e6 if "usage_usec" in fields else None


def oom_kills(path: str) -> int:
    """How many of its processes the kernel killed for want of memory."""
    try:
        with open(os.path.join(path, "memory.events")) as file:
            return int(dict(line.split() for line in file).get("oom_kill", 0))
    except OSError:
        return 0


def _own_folder() -> str | None:
    mount = None
    with open("/proc/self/mountinfo") as file:
        for line in file:
            fields = line.split()
            if fields[fields.index("-") + 1] == "cgroup2":
                mount = fields[4]
    if mount is None:
        return None
    with open("/proc/self/cgroup") as file:
        for line in file:
            if line.startswith("0::"):
                return os.path.normpath(mount + line[3:].rstrip("\n"))
    return None


def open_procs(path: str) -> int:
    """A descriptor through which processes are moved into a cgroup."""
    return os.open(os.path.join(path, "cgroup.procs"), os.O_WRONLY | os.O_CLOEXEC)


def write(path: str, text: str) -> None:
    """Write to one of a cgroup's files at once."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
