"""What follows the end of a run. Pure: a decision from values, randomness passed in."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness_core.config.model import RestartConfig, RestartWhen
from harness_core.contracts.events import State
from harness_core.contracts.run import Exit

STABLE_AFTER = 60.0
"""Seconds of (healthy) run after which the back-off starts anew."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Recent restarts: `attempt` drives the back-off, `times` (monotonic) the crash-loop window."""

    attempt: int = 0
    times: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Next:
    """What comes: BACKOFF for `delay` seconds, or COMPLETED, FAILED, STOPPED for good; `reason` is a sentence."""

    state: State
    reason: str
    delay: float = 0.0
    failures: Failures = Failures()


def decide(
    config: RestartConfig,
    *,
    oneshot: bool,
    exit: Exit,
    ran_for: float,
    now: float,
    failures: Failures,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Next:
    """What follows a run that ended by itself after `ran_for` seconds."""
    ended = describe(exit)
    if oneshot and exit.succeeded:
        return Next(State.COMPLETED, "completed")
    again = {
        RestartWhen.NO: False,
        RestartWhen.ON_FAILURE: not exit.succeeded,
        RestartWhen.ALWAYS: not oneshot or not exit.succeeded,
        RestartWhen.UNLESS_STOPPED: not oneshot or not exit.succeeded,
    }[config.when]
    if not again:
        return Next(State.STOPPED if exit.succeeded else State.FAILED, ended)
    return retry(config, reason=ended, ran_for=ran_for, now=now, failures=failures, uniform=uniform)


def retry(
    config: RestartConfig,
    *,
    reason: str,
    ran_for: float,
    now: float,
    failures: Failures,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Next:
    """BACKOFF with full jitter, or FAILED when more than `max_restarts` fell into `window`."""
    attempt = 0 if ran_for >= STABLE_AFTER else failures.attempt
    times = (*(t for t in failures.times if now - t < config.window), now)
    if len(times) > config.max_restarts:
        return Next(State.FAILED, f"crash loop: {len(times)} failures in {config.window:g} s; last: {reason}")
    # The exponent is capped: 2.0 ** 2000 overflows, and max_backoff rules long before.
    ceiling = min(config.max_backoff, config.backoff * 2.0 ** min(attempt, 60))
    delay = uniform(min(config.backoff / 2, ceiling), ceiling)
    return Next(State.BACKOFF, reason, delay, replace(failures, attempt=attempt + 1, times=times))


def describe(exit: Exit) -> str:
    """An exit as a clause: "exited with code 3", "was ended by signal KILL (out of memory)"."""
    why = {"oom": "out of memory", "lost": "lost"}.get(exit.reason or "", exit.reason)
    suffix = f" ({why})" if why else ""
    if exit.signal:
        return f"was ended by signal {exit.signal}{suffix}"
    if exit.code is not None:
        return f"exited with code {exit.code}{suffix}"
    return f"ended, exit code unknown{suffix}"
