"""What /proc tells about the processes of this machine. A zombie counts as gone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for all time: its pid alone is used again, together with start and boot it is not."""

    pid: int
    start_ticks: int
    boot_id: str


@dataclass(frozen=True, slots=True)
class Process:
    """A live process as it was when we looked."""

    identity: Identity
    parent: int
    name: str
    argv: tuple[str, ...]
    memory: int
    cpu_seconds: float

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.identity.pid

    def __str__(self) -> str:
        line = " ".join(self.argv) or f"[{self.name}]"
        return f"pid {self.pid} ({line if len(line) <= 120 else line[:119] + '…'})"


def boot_id() -> str:
    """What changes with every boot of this machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def find(pid: int, *, boot: str | None = None) -> Process | None:
    """The live process with this pid, None when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        cmdline = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name may hold anything, spaces and parentheses too; what follows the last one is numbers.
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in b"ZX":
        return None
    return Process(
        identity=Identity(pid, int(fields[19]), boot or boot_id()),
        parent=int(fields[1]),
        name=os.fsdecode(stat[stat.index(b"(") + 1 : stat.rindex(b")")]),
        argv=tuple(os.fsdecode(word) for word in cmdline.rstrip(b"\0").split(b"\0")) if cmdline else (),
        memory=int(fields[21]) * _PAGE,
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
    )


def all_processes() -> Iterator[Process]:
    """Every live process that may be looked at."""
    boot = boot_id()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (process := find(int(entry.name), boot=boot)) is not None:
            yield process


def tree(root: int) -> list[Process]:
    """The process and everything that descends from it."""
    everything = {process.pid: process for process in all_processes()}
    children: dict[int, list[int]] = {}
    for process in everything.values():
        children.setdefault(process.parent, []).append(process.pid)
    found, rest = [], [root]
    while rest:
        pid = rest.pop()
        if pid in everything:
            found.append(everything[pid])
        rest.extend(children.get(pid, ()))
    return found
