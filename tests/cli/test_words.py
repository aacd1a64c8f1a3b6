from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harness_core.cli.words import duration, ending, plural, since, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0s"),
        (-3, "0.0s"),
        (0.44, "0.4s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m"),
        (61, "1m1s"),
        (3599.7, "1h"),
        (3661, "1h1m"),
        (7325, "2h2m"),
        (86400, "1d"),
        (90061, "1d1h"),
        (40 * 86400, "40d"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**2, "5.0 MiB"), (3 * 1024**4, "3.0 TiB")]
)
def test_a_size_has_the_unit_that_fits(count, words):
    assert size(count) == words


@pytest.mark.parametrize(
    ("exit", "words"),
    [
        (None, ""),
        ({"code": 3, "signal": None, "reason": None}, "exit 3"),
        ({"code": 0, "signal": None, "reason": None}, "exit 0"),
        ({"code": None, "signal": "KILL", "reason": "oom"}, "signal KILL (oom)"),
        ({"code": None, "signal": None, "reason": "lost"}, "exit unknown (lost)"),
    ],
)
def test_an_unknown_exit_is_never_called_zero(exit, words):
    assert ending(exit) == words


def test_since_counts_over_time_zones():
    assert since("2030-01-01T12:00:00+02:00", datetime(2030, 1, 1, 10, 0, 5, tzinfo=UTC)) == 5
    assert since(None, datetime.now(UTC)) is None


def test_plural():
    assert [plural(n, "service") for n in (0, 1, 2)] == ["0 services", "1 service", "2 services"]
