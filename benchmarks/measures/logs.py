"""Output at full speed: how fast it reaches the disk, what that costs the tool, and whether every line is there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.case import Bench, Case
from benchmarks.drivers import Driver

LINE = 100
PATIENCE = 90.0


def flooded(bench: Bench, kind: type[Driver], *, size: int, chunk: int) -> dict[str, Any]:
    """One service writes so many bytes in lines of 100, `chunk` bytes a write (0: a line a write)."""
    lines = size // LINE
    go = bench.tmp / "go"
    go.unlink(missing_ok=True)
    with Case(bench, kind, ["s0"], does=lambda name: ("flood", lines, LINE, go, chunk)) as case:
        case.up()
        case.settle(1.0)
        case.driver.before_stop()
        tool = case.tool()
        before = processes.cpu_seconds(tool)
        began = time.monotonic()
        go.touch()
        ended = _wait_stored(case, size)
        spent = processes.cpu_seconds(tool) - before
        stored = set()
        for file in case.driver.logs("s0"):
            stored |= _numbers(file)
        return {
            "MB_s": size / (ended - began) / 1e6,
            "cpu_s_per_GB": spent / (size / 1e9),
            "lost_lines": lines - len(stored & set(range(lines))),
        }


def _wait_stored(case: Case, size: int) -> float:
    """The moment at which everything was on disk; or when nothing more came for a while."""
    deadline = time.monotonic() + PATIENCE
    last, changed = -1, time.monotonic()
    while time.monotonic() < deadline:
        stored = sum(file.stat().st_size for file in case.driver.logs("s0") if file.exists())
        now = time.monotonic()
        if stored != last:
            last, changed = stored, now
        if stored >= size and len(case.stamps) >= 2:
            return changed
        if stored and now - changed > 8:
            break
        time.sleep(0.004)
    return changed


def _numbers(file: Path) -> set[int]:
    """The numbers of the lines in a file; a tool may have written something before each."""
    found = set()
    with open(file, "rb", 1 << 20) as lines:
        for line in lines:
            at = line.find(b" xxxx")
            if at >= 9 and line[at - 9 : at].isdigit():
                found.add(int(line[at - 9 : at]))
    return found
