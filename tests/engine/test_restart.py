"""Policies × exits, the back-off's bounds, the crash loop."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_core.config.model import RestartConfig, RestartWhen
from harness_core.contracts.events import State
from harness_core.contracts.run import Exit
from harness_core.engine.restart import STABLE_AFTER, Failures, Next, decide, describe, retry

CONFIG = RestartConfig(RestartWhen.ALWAYS, backoff=0.5, max_backoff=60.0, max_restarts=5, window=60.0)
FINE, BAD, UNKNOWN, KILLED = Exit(0), Exit(3), Exit(), Exit(signal="KILL", reason="oom")
BACKOFF, STOPPED, FAILED, COMPLETED = State.BACKOFF, State.STOPPED, State.FAILED, State.COMPLETED


def after(when: str, exit: Exit, *, oneshot: bool) -> State:
    config = replace(CONFIG, when=RestartWhen(when))
    return decide(config, oneshot=oneshot, exit=exit, ran_for=1.0, now=100.0, failures=Failures()).state


@pytest.mark.parametrize(
    ("when", "fine", "bad"),
    [
        ("no", STOPPED, FAILED),
        ("on-failure", STOPPED, BACKOFF),
        ("always", BACKOFF, BACKOFF),
        ("unless-stopped", BACKOFF, BACKOFF),
    ],
)
def test_a_service_is_restarted_as_its_policy_says(when: str, fine: State, bad: State) -> None:
    assert after(when, FINE, oneshot=False) is fine
    for exit in (BAD, UNKNOWN, KILLED):
        assert after(when, exit, oneshot=False) is bad


@pytest.mark.parametrize(
    ("when", "bad"), [("no", FAILED), ("on-failure", BACKOFF), ("always", BACKOFF), ("unless-stopped", BACKOFF)]
)
def test_a_oneshot_that_succeeds_has_completed_and_is_tried_again_otherwise(when: str, bad: State) -> None:
    assert after(when, FINE, oneshot=True) is COMPLETED
    for exit in (BAD, UNKNOWN, KILLED):
        assert after(when, exit, oneshot=True) is bad


@given(st.integers(0, 5000), st.floats(0, 100), st.floats(0, 1))
def test_a_pause_lies_within_its_jitter_and_never_above_the_most(attempt: int, base: float, share: float) -> None:
    config = replace(CONFIG, backoff=base)

    following = retry(
        config, reason="x", ran_for=0, now=0, failures=Failures(attempt), uniform=lambda low, high: low + share * (high - low)
    )

    ceiling = min(60.0, base * 2.0 ** min(attempt, 60))
    assert min(base / 2, ceiling) - 1e-9 <= following.delay <= ceiling + 1e-9
    assert following.failures.attempt == attempt + 1


def test_pauses_grow_until_the_most() -> None:
    failures, pauses = Failures(), []
    for number in range(10):
        following = retry(CONFIG, reason="x", ran_for=1, now=number * 100.0, failures=failures, uniform=lambda low, high: high)
        failures = following.failures
        pauses.append(following.delay)

    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_long_run_begins_the_pauses_anew() -> None:
    following = retry(CONFIG, reason="x", ran_for=STABLE_AFTER, now=0, failures=Failures(7), uniform=lambda low, high: high)

    assert following.delay == 0.5


def test_too_many_failures_in_the_window_are_a_crash_loop_and_old_ones_do_not_count() -> None:
    def fails(times: tuple[float, ...]) -> Next:
        return retry(CONFIG, reason="exited with code 1", ran_for=1, now=100.0, failures=Failures(0, times))

    assert fails((50.0, 60.0, 70.0, 80.0)).state is BACKOFF
    assert fails((10.0, 30.0, 40.0, 60.0, 70.0, 80.0)).state is BACKOFF
    crash = fails((50.0, 60.0, 70.0, 80.0, 90.0))
    assert crash.state is FAILED
    assert crash.reason == "crash loop: 6 failures in 60 s; last: exited with code 1"


def test_no_restarts_allowed_means_none() -> None:
    assert retry(replace(CONFIG, max_restarts=0), reason="x", ran_for=0, now=0, failures=Failures()).state is FAILED


@pytest.mark.parametrize(
    ("exit", "text"),
    [
        (BAD, "exited with code 3"), (KILLED, "was ended by signal KILL (out of memory)"),
        (Exit(reason="lost"), "ended, exit code unknown (lost)"), (Exit(1, reason="evicted"), "exited with code 1 (evicted)"),
    ],
)  # fmt: skip
def test_an_exit_in_words(exit: Exit, text: str) -> None:
    assert describe(exit) == text
