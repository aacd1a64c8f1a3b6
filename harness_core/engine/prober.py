"""Probing: one check on its clock, and what a series of probes means."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from harness_core.config.model import HealthConfig
from harness_core.contracts.clock import Clock
from harness_core.contracts.events import HealthState
from harness_core.contracts.health import Health

REMEMBERED = 5
"""Probes kept for `why`."""
FIRST_PAUSE = 0.02
"""Seconds between the first probes: a service that is ready in 30 ms should not wait out an interval."""
LONGEST_FIRST_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One attempt and what it found."""

    at: datetime
    healthy: bool
    detail: str
    seconds: float


class Verdict:
    """Turns probes into healthy or unhealthy by thresholds. Pure but for its own counters; times are monotonic.

    Until the first healthy probe, attempts come faster than `interval`; such extra failures don't count towards
    `retries`, so that a slow start is not taken for a sick service.
    """

    def __init__(self, config: HealthConfig, *, started: float) -> None:
        self._config = config
        self._counts_from = started + config.start_period
        self._failures = 0
        self._successes = 0
        self.state = HealthState.STARTING

    def observe(self, healthy: bool, *, now: float) -> HealthState:
        """The verdict after one more probe."""
        if healthy:
            self._failures = 0
            self._successes += 1
            if self._successes >= self._config.successes:
                self.state = HealthState.HEALTHY
            return self.state
        self._successes = 0
        if self.state is HealthState.STARTING:
            if now - self._counts_from < self._config.interval * 0.99:
                return self.state
            self._counts_from = now
        self._failures += 1
        if self._failures >= self._config.retries:
            self.state = HealthState.UNHEALTHY
        return self.state


class Prober:
    """Runs one service's check for one run, until cancelled or latched."""

    def __init__(
        self,
        attempt: Callable[[], Awaitable[Health]],
        config: HealthConfig,
        *,
        clock: Clock,
        gate: asyncio.Semaphore,
        on_verdict: Callable[[HealthState, str], None],
    ) -> None:
        self._attempt = attempt
        self._config = config
        self._clock = clock
        self._gate = gate
        self._on_verdict = on_verdict
        self._verdict = Verdict(config, started=clock.monotonic())
        self.probes: deque[Probe] = deque(maxlen=REMEMBERED)

    async def probe_for_ever(self) -> None:
        """Probe on the clock, telling each verdict; returns only when a probe latched."""
        pause = FIRST_PAUSE
        while True:
            health = await self.probe_once()
            state = self._verdict.observe(health.healthy, now=self._clock.monotonic())
            self._on_verdict(state, health.detail)
            if health.latch and state is HealthState.HEALTHY:
                return
            if state is HealthState.STARTING:
                await asyncio.sleep(min(pause, self._config.interval))
                pause = min(pause * 1.6, LONGEST_FIRST_PAUSE)
            else:
                await asyncio.sleep(self._config.interval)

    async def probe_once(self) -> Health:
        """One attempt, bounded in time; an exception is an unhealthy answer."""
        async with self._gate:
            began = self._clock.monotonic()
            health = await bounded(self._attempt, self._config.timeout)
            seconds = self._clock.monotonic() - began
        self.probes.append(Probe(self._clock.now(), health.healthy, health.detail, seconds))
        return health


async def bounded(attempt: Callable[[], Awaitable[Health]], timeout: float) -> Health:
    """What the attempt found within `timeout` seconds."""
    try:
        async with asyncio.timeout(timeout):
            return await attempt()
    except TimeoutError:
        return Health(False, f"no answer within {timeout:g} s")
    except (Exception, SystemExit) as error:
        # A plugin's check may raise anything; to the person it is one more way of not being well.
        return Health(False, str(error) or type(error).__name__)
