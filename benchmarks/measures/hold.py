"""What harness holds with N services: starting, being looked at, losing daemon and keeper, stopping."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks import processes
from benchmarks.case import Bench, Case
from benchmarks.drivers import Driver, Harness
from harness_core.client import Client, connect
from harness_core.protocol import SubscribeEvents

KILLED = 200
"""So many exits are timed at most."""


def held(bench: Bench, kind: type[Driver], *, count: int, clients: int) -> dict[str, Any] | None:
    """Milliseconds of each step of a life with N services, and memory in kB, also with so many connected clients."""
    if not issubclass(kind, Harness):
        return None
    with Case(bench, kind, [f"s{number}" for number in range(count)]) as case:
        harness = case.driver
        assert isinstance(harness, Harness)
        figures: dict[str, Any] = {"services": count, "up_ms": case.up(timeout=120)}
        case.settle(1.0)
        figures["daemon_kB"] = processes.resident([harness.root_pid()])
        figures["keeper_kB"] = processes.resident([harness.keeper_pid()])
        figures["status_ms"] = statistics.median(_timed(lambda: harness.run(*harness.command("status"))) for _ in range(3))
        figures["exit_to_event_ms"] = _exits(case, harness)
        with contextlib.ExitStack() as connected:
            for _ in range(clients):
                connected.enter_context(connect(harness.state, start=False))
            figures["daemon_with_clients_kB"] = processes.resident([harness.root_pid()])
        case.settle(0.5)
        figures["adopt_ms"] = _daemon_killed(case, harness)
        figures["keeper_ms"] = _keeper_killed(case, harness)
        figures["down_ms"] = case.down()
        return figures


def _exits(case: Case, harness: Harness) -> list[float]:
    """From kill -9 of a service to the event of its exit at a client, for some services one by one."""
    running = case.newest()
    chosen = sorted(running)[:KILLED]
    latencies = []
    with connect(harness.state, start=False) as client:
        news = client.stream(SubscribeEvents(project=harness.project, kinds=("exited",)))
        news.get(timeout=5.0)  # the present state comes first
        for name in chosen:
            killed = time.monotonic_ns()
            os.kill(running[name].pid, signal.SIGKILL)
            while (item := news.get(timeout=10.0)) is not None:
                if item["type"] == "event" and item["event"]["service"] == name:
                    break
            else:
                raise TimeoutError(f"no event of the exit of {name} within 10 s")
            latencies.append((time.monotonic_ns() - killed) / 1e6)
    return latencies


def _daemon_killed(case: Case, harness: Harness) -> float:
    """From kill -9 of the daemon until its successor, started by a client, knows all services again, with their pids."""
    pids = {stamp.name: stamp.pid for stamp in case.newest().values()}
    daemon = harness.root_pid()
    harness.disconnect()
    began = time.monotonic_ns()
    os.kill(daemon, signal.SIGKILL)
    processes.wait_gone([daemon], timeout=10)
    client = _connect_anew(harness)
    client.close()
    _until(lambda: {service["name"]: service["pid"] for service in harness.statuses()} == pids, what="all services adopted")
    return (time.monotonic_ns() - began) / 1e6


def _connect_anew(harness: Harness) -> Client:
    """A client that starts a daemon, in the environment of the case: its processes must carry the mark."""
    known = dict(os.environ)
    os.environ.update(harness.env)
    try:
        return connect(harness.state, start=True)
    finally:
        os.environ.clear()
        os.environ.update(known)


def _keeper_killed(case: Case, harness: Harness) -> float:
    """From kill -9 of the keeper until the daemon has another that holds all services."""
    keeper = harness.keeper_pid()
    services = len(case.services)
    began = time.monotonic_ns()
    os.kill(keeper, signal.SIGKILL)

    def replaced() -> bool:
        now = harness.daemon()["keeper"]
        return bool(now.get("pid") not in (None, keeper) and now.get("live") == services)

    _until(replaced, what="another keeper")
    return (time.monotonic_ns() - began) / 1e6


def _until(condition: Callable[[], bool], *, what: str, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {timeout:g} s")
        time.sleep(0.005)


def _timed(action: Callable[[], object]) -> float:
    began = time.monotonic_ns()
    action()
    return (time.monotonic_ns() - began) / 1e6
