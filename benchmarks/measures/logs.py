"""Output at full speed: how fast it reaches the disk, what that costs the tool, and whether every line is there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.case import Bench, Case
from benchmarks.drivers import Driver

LINE = 100
PATIENCE = 20.0
"""Seconds; who is slower than 10 MB/s is measured by what was stored until then."""


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
        stored, ended = _wait_stored(case, size)
        spent = processes.cpu_seconds(tool) - before
        numbers = set()
        for file in case.driver.logs("s0"):
            numbers |= _numbers(file)
        figures: dict[str, Any] = {"MB_s": stored / (ended - began) / 1e6, "cpu_s_per_GB": spent / (stored / 1e9)}
        if stored >= size:
            figures["lost_lines"] = len(set(range(lines)) - numbers)
        return figures


def _wait_stored(case: Case, size: int) -> tuple[int, float]:
    """How much is on disk, and since when: all of it, or what there is once the patience is over."""
    deadline = time.monotonic() + PATIENCE
    stored, changed = 0, time.monotonic()
    while time.monotonic() < deadline and (stored < size or len(case.stamps) < 2):
        now = sum(file.stat().st_size for file in case.driver.logs("s0") if file.exists())
        if now != stored:
            stored, changed = now, time.monotonic()
        time.sleep(0.004)
    return stored, changed


def _numbers(file: Path) -> set[int]:
    """The numbers of the lines in a file; a tool may have written something before each."""
    found = set()
    with open(file, "rb", 1 << 20) as lines:
        for line in lines:
            at = line.find(b" xxxx")
            if at >= 9 and line[at - 9 : at].isdigit():
                found.add(int(line[at - 9 : at]))
    return found
