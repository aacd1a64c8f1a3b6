"""What a series of probes means, and when they happen."""

from __future__ import annotations

import asyncio
import time

from harness_core.config.model import HealthConfig
from harness_core.contracts.clock import SystemClock
from harness_core.contracts.events import HealthState
from harness_core.contracts.health import Health
from harness_core.engine.prober import Prober, Verdict, bounded

STARTING, HEALTHY, UNHEALTHY = HealthState.STARTING, HealthState.HEALTHY, HealthState.UNHEALTHY


def config(**keys: float) -> HealthConfig:
    defaults = {"interval": 10.0, "timeout": 1.0, "retries": 3, "successes": 1, "start_period": 0.0}
    return HealthConfig("fake", "x", **{**defaults, **keys}, restart_on_failure=False)  # type: ignore[arg-type]


def verdicts(settings: HealthConfig, *probes: tuple[float, bool]) -> list[HealthState]:
    verdict = Verdict(settings, started=0.0)
    return [verdict.observe(healthy, now=at) for at, healthy in probes]


def test_the_first_success_makes_healthy() -> None:
    assert verdicts(config(), (0.02, False), (0.1, True)) == [STARTING, HEALTHY]


def test_several_successes_in_a_row_where_they_are_asked_for() -> None:
    assert verdicts(config(successes=2), (1, True), (2, False), (3, True), (4, True)) == [STARTING] * 3 + [HEALTHY]


def test_quick_first_probes_do_not_use_up_the_retries() -> None:
    quick = [(n / 100, False) for n in range(100)]

    assert set(verdicts(config(), *quick)) == {STARTING}
    assert verdicts(config(), *quick, (10, False), (20, False), (30, False))[-3:] == [STARTING, STARTING, UNHEALTHY]


def test_failures_in_the_start_period_do_not_count() -> None:
    assert verdicts(config(start_period=100, retries=1), (50, False), (99, False), (105, False), (110, False)) == [
        STARTING, STARTING, STARTING, UNHEALTHY,
    ]  # fmt: skip


def test_once_healthy_it_takes_all_retries_in_a_row_to_lose_that() -> None:
    probes = [(1, True), (2, False), (3, False), (4, True), (5, False), (6, False), (7, False), (8, True)]

    assert verdicts(config(), *probes) == [HEALTHY] * 6 + [UNHEALTHY, HEALTHY]


async def test_a_service_that_is_ready_soon_is_found_healthy_long_before_an_interval() -> None:
    began = time.monotonic()
    found: list[HealthState] = []
    healthy = asyncio.Event()

    async def attempt() -> Health:
        return Health(time.monotonic() - began > 0.05)

    def tell(state: HealthState, detail: str) -> None:
        found.append(state)
        if state is HEALTHY:
            healthy.set()

    prober = Prober(attempt, config(), clock=SystemClock(), gate=asyncio.Semaphore(1), on_verdict=tell)
    task = asyncio.ensure_future(prober.probe_for_ever())
    async with asyncio.timeout(2):
        await healthy.wait()
    task.cancel()

    assert found[0] is STARTING
    assert prober.probes[-1].healthy


async def test_a_probe_that_hangs_raises_or_exits_is_an_unhealthy_answer() -> None:
    async def hang() -> Health:
        await asyncio.Event().wait()
        return Health(True)

    async def fail() -> Health:
        raise ValueError("no such host")

    async def leave() -> Health:
        raise SystemExit(3)

    assert await bounded(hang, 0.02) == Health(False, "no answer within 0.02 s")
    assert await bounded(fail, 1) == Health(False, "no such host")
    assert await bounded(leave, 1) == Health(False, "3")
