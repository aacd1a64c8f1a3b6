"""From kill -9 of a service to the first instruction of its next run, without any delay asked for."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

from benchmarks.case import Bench, Case
from benchmarks.drivers import Driver


def killed(bench: Bench, kind: type[Driver], *, count: int, window: float) -> dict[str, Any] | None:
    """Milliseconds of each restart. Each service is killed at a random moment of the window: who polls is met anywhere."""
    if not kind.restarts:
        return None
    chance = random.Random(7)
    with Case(bench, kind, [f"s{number}" for number in range(count)]) as case:
        case.up()
        case.settle(2.0)  # some wait for a second before they restart what has just started
        running = case.newest()
        killed_at = {}
        began = time.monotonic()
        for moment, name in sorted((chance.uniform(0, window), name) for name in running):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            killed_at[name] = time.monotonic_ns()
            os.kill(running[name].pid, signal.SIGKILL)
        case.stamps.wait(2 * count, timeout=20, pause=0.01)
        return {"restart_ms": [(stamp.at - killed_at[stamp.name]) / 1e6 for stamp in case.stamps.all(after=count)]}
