"""Durations and sizes as people write them: `1m30s`, `500ms`, `64MiB`, `1GB`; a bare number is seconds, or bytes."""

from __future__ import annotations

import math
import re

_NUMBER = r"\d+(?:\.\d+)?"
DURATION_PATTERN = rf"^(?:{_NUMBER}|(?=\d)" + "".join(rf"(?:{_NUMBER}{unit})?" for unit in ("d", "h", "m", "s", "ms")) + ")$"
SIZE_PATTERN = r"^\d+(?:\.\d+)?(?:[kKmMgGtT](?:i?[bB])?|[bB])?$"

LONGEST = 10 * 365 * 86_400.0
"""Ten years: more is a typing error, and larger numbers break clocks."""

_DURATION = re.compile(DURATION_PATTERN, re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)", re.ASCII)
_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([a-z]*)", re.ASCII)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_duration(value: str | float) -> float:
    """Seconds; raises ValueError with a sentence for people."""
    if isinstance(value, bool):
        raise ValueError("expected a duration such as 500ms, 2s or 1m30s, found true or false")
    seconds = float(value) if isinstance(value, int | float) else _seconds(value)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"a duration can't be {value}")
    if seconds > LONGEST:
        raise ValueError(f"{value} is longer than ten years")
    return seconds


def _seconds(text: str) -> float:
    if not _DURATION.fullmatch(text) or len(text) > 60:
        raise ValueError(f"'{text[:60]}' is not a duration: write 500ms, 2s, 1m30s, 2h, or a number of seconds")
    if parts := _PART.findall(text):
        return round(math.fsum(float(number) * _SECONDS[unit] for number, unit in parts), 6)
    return float(text)


def format_duration(seconds: float) -> str:
    """What a person would write; to the millisecond."""
    rest = round(seconds * 1000)
    parts = []
    for unit, length in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(value: str | int) -> int:
    """Bytes; raises ValueError with a sentence for people. `KB` is 1000, `KiB` and a bare `K` are 1024."""
    wrong = ValueError(f"'{str(value)[:60]}' is not a size: write 64MiB, 1GB, or a number of bytes")
    if isinstance(value, bool):
        raise wrong
    if isinstance(value, int):
        if value < 0:
            raise wrong
        return value
    match = re.fullmatch(SIZE_PATTERN, value, re.ASCII) and len(value) <= 40 and _SIZE.fullmatch(value.lower())
    if not match:
        raise wrong
    number, unit = float(match[1]), match[2]
    base = 1000 if len(unit) == 2 else 1024
    return int(number * base ** _POWER[unit.rstrip("b").rstrip("i")])


def format_size(size: int) -> str | int:
    """What a person would write: the largest binary unit that loses nothing, else plain bytes."""
    for unit, power in (("TiB", 4), ("GiB", 3), ("MiB", 2), ("KiB", 1)):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{unit}"
    return size
