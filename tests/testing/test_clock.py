"""FakeClock moves when it is told to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harness_core.testing import FakeClock


def test_advancing_moves_both_clocks() -> None:
    clock = FakeClock()
    wall, monotonic = clock.now(), clock.monotonic()

    clock.advance(1.5)

    assert clock.now() - wall == timedelta(seconds=1.5)
    assert clock.monotonic() - monotonic == 1.5


def test_stepping_the_wall_leaves_durations_alone() -> None:
    clock = FakeClock()
    monotonic = clock.monotonic()

    clock.step_wall(-365 * 86400)

    assert clock.monotonic() == monotonic


def test_a_monotonic_clock_never_goes_back() -> None:
    with pytest.raises(ValueError, match="never goes back"):
        FakeClock().advance(-1)
