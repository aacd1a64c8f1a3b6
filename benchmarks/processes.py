"""Processes as the kernel shows them: whose they are, what they use, when they are gone."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterable
from pathlib import Path

MARK = "BENCH_MARK"
"""The variable by which a tool's own processes are told from all others."""


def marked(mark: str, *, service: Path) -> tuple[list[int], list[int]]:
    """The pids of the tool with this mark, and those of its services: `service` is the program that those run."""
    tool, services = [], []
    wanted = f"{MARK}={mark}".encode()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        folder = Path("/proc") / name
        try:
            if os.readlink(folder / "exe") == str(service):
                if mark.encode() in (folder / "cmdline").read_bytes():
                    services.append(int(name))
            elif wanted in (folder / "environ").read_bytes().split(b"\0"):
                tool.append(int(name))
        except OSError:  # it ended meanwhile, or is the kernel's
            continue
    return tool, services


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def resident(pids: Iterable[int]) -> int:
    """Resident memory of all these, in kB; pages that two of them share count twice."""
    return sum(_resident(pid) for pid in pids)


def _resident(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time that all threads of these have used, to the nanosecond."""
    return sum(_cpu_ns(pid) for pid in pids) / 1e9


def _cpu_ns(pid: int) -> int:
    total = 0
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            total += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
    except OSError:
        return total
    return total


def wait_gone(pids: Iterable[int], *, timeout: float) -> tuple[int, list[int]]:
    """The moment (monotonic nanoseconds) at which the last of these was gone, and those that never went."""
    poll, left = select.poll(), {}
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        left[fd] = pid
        poll.register(fd, select.POLLIN)
    deadline = time.monotonic() + timeout
    while left and time.monotonic() < deadline:
        for fd, _ in poll.poll(100):
            poll.unregister(fd)
            os.close(fd)
            del left[fd]
    gone = time.monotonic_ns()
    for fd in left:
        os.close(fd)
    return gone, list(left.values())
