"""CPU time that a tool uses while nothing happens."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import processes
from benchmarks.case import Bench, Case
from benchmarks.drivers import Driver


def together(bench: Bench, kinds: Sequence[type[Driver]], *, count: int, seconds: float) -> Mapping[str, dict[str, Any]]:
    """CPU seconds a minute of each tool with N services, all side by side: CPU time is counted by process."""
    with contextlib.ExitStack() as stack:
        cases = {kind.name: stack.enter_context(Case(bench, kind, [f"s{n}" for n in range(count)])) for kind in kinds}
        for case in cases.values():
            case.up()
            case.settle(0.5)
        time.sleep(5.0 * bench.pace)
        tools = {name: case.tool() for name, case in cases.items()}
        before = {name: processes.cpu_seconds(pids) for name, pids in tools.items()}
        began = time.monotonic()
        time.sleep(seconds)
        minutes = (time.monotonic() - began) / 60
        return {name: {"cpu_s_per_min": (processes.cpu_seconds(pids) - before[name]) / minutes} for name, pids in tools.items()}
