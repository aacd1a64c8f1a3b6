from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_core.config.durations import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2),
        ("1m30s", 90),
        ("2h", 7200),
        ("1d", 86400),
        ("1.5s", 1.5),
        (5, 5),
        (0.25, 0.25),
        ("5", 5),
        ("0", 0),
    ],
)
def test_durations_are_seconds(written: str | float, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written", ["", "s", "5 s", "1s1m", "-5s", "5x", "5\n", "1e3", "٥s", -1, float("nan"), float("inf"), True, "400000d"]
)
def test_what_is_no_duration_is_refused(written: str | float) -> None:
    with pytest.raises(ValueError, match=r"duration|longer than ten years"):
        parse_duration(written)


@pytest.mark.parametrize(
    ("written", "size"),
    [("64MiB", 64 << 20), ("1GB", 10**9), ("1kb", 1000), ("4K", 4096), ("1.5g", 3 << 29), ("10b", 10), (7, 7), ("7", 7)],
)
def test_sizes_are_bytes(written: str | int, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["", "MiB", "5 parsecs", "-1", -1, True, "5MiBs", "1iB"])
def test_what_is_no_size_is_refused(written: str | int) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(written)


@given(st.integers(0, 10**10))
def test_a_formatted_duration_reads_as_itself(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@given(st.integers(0, 2**50))
def test_a_formatted_size_reads_as_itself(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.text(alphabet="0123456789.dhmskKMGTiBb -", max_size=12))
def test_the_published_patterns_accept_what_is_read(text: str) -> None:
    for parse, pattern in ((parse_duration, DURATION_PATTERN), (parse_size, SIZE_PATTERN)):
        try:
            parse(text)
        except ValueError:
            continue
        assert re.search(pattern, text)
