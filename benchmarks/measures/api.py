"""The API under load: how fast one service's status is told to 1 client and to 16."""

from __future__ import annotations

import json
from typing import Any

from benchmarks import processes
from benchmarks.case import Bench, Case
from benchmarks.drivers import Driver


def loaded(bench: Bench, kind: type[Driver], *, count: int, seconds: float) -> dict[str, Any] | None:
    """Requests a second and latencies; the clients are threads of one process, each asking as soon as it is answered."""
    with Case(bench, kind, [f"s{number}" for number in range(count)]) as case:
        name = f"s{count // 2}"
        if case.driver.load_command(name, clients=1, seconds=seconds) is None:
            return None
        case.up()
        case.settle(1.5)
        figures = {}
        for clients in (1, 16):
            argv = case.driver.load_command(name, clients=clients, seconds=seconds)
            assert argv is not None
            before = processes.cpu_seconds(tool := case.tool())
            done = case.driver.run(*argv)
            if done.returncode != 0:
                raise RuntimeError(f"{argv[1]} ended with {done.returncode}: {done.stdout[-500:]}")
            answer = json.loads(done.stdout.splitlines()[-1])
            answer["cpu_us"] = (processes.cpu_seconds(tool) - before) * 1e6 / answer["count"]
            figures[f"clients_{clients}"] = answer
        return figures
