"""Many readers of one log: how many lines reach them, how late, and what that costs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks import processes
from benchmarks.case import Bench, Case
from benchmarks.drivers import Driver, Harness
from benchmarks.drivers.driver import load

DELIVERIES = 20_000
"""So many lines a second go out over all followers, as far as a service writes at most one each 10 ms."""


def following(bench: Bench, kind: type[Driver], *, count: int, seconds: float) -> dict[str, Any] | None:
    """Lines a second to N followers, each on a connection of its own with TLS; milliseconds from line to reader."""
    if not issubclass(kind, Harness):
        return None
    period = max(10, 1000 * count // DELIVERIES)
    with Case(bench, kind, ["s0"], does=lambda name: ("tick", period)) as case:
        harness = case.driver
        assert isinstance(harness, Harness)
        case.up()
        case.settle(1.0)
        daemon = [harness.root_pid()]
        harness.disconnect()  # the daemon takes a thousand connections, and all may be needed
        argv = load(sys.executable, "harness_followers", harness.state, harness.project, "s0", count, seconds)
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as followers:
            assert followers.stdout is not None
            followers.stdout.readline()  # all are connected
            before = processes.cpu_seconds(daemon)
            figures = json.loads(followers.stdout.readline() or "null")
            spent = processes.cpu_seconds(daemon) - before
        if figures is None:
            raise RuntimeError(f"the followers ended with {followers.returncode}; they said why on stderr")
        resident = processes.resident(daemon)
        return {**figures, "followers": count, "cpu_us": spent * 1e6 / max(1, figures["count"]), "daemon_kB": resident}
