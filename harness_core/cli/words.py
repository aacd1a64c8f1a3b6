"""Numbers and times in words: durations, sizes, moments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def duration(seconds: float) -> str:
    """Two units at most: `0.4s`, `12s`, `3m12s`, `2h5m`, `4d3h`."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    for size, big, small_size, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // small_size
            return f"{whole // size}{big}" + (f"{rest}{small}" if rest else "")
    raise AssertionError("unreachable: whole >= 60")


def round_duration(seconds: float) -> str:
    """For what is looked at all the time: seconds only in the first minute: `12s`, `3m`, `2h5m`."""
    return f"{int(max(seconds, 0))}s" if seconds < 60 else duration(seconds // 60 * 60)


def size(count: float) -> str:
    """Bytes for people: `812 B`, `12.3 MiB`."""
    if count < 1024:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1024:
            return f"{count:.1f} {unit}"
    return f"{count / 1024:.1f} TiB"


def plural(count: int, noun: str) -> str:
    """`1 service`, `2 services`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def clock(at: str) -> str:
    """The local time of day of an RFC 3339 moment."""
    return datetime.fromisoformat(at).astimezone().strftime("%H:%M:%S")


def since(at: str | None, now: datetime) -> float | None:
    """Seconds from an RFC 3339 moment until now."""
    return (now - datetime.fromisoformat(at)).total_seconds() if at else None


def ending(exit: Mapping[str, Any] | None) -> str:
    """How a run ended: `exit 1`, `signal KILL (oom)`, `exit unknown`."""
    if not exit:
        return ""
    if exit.get("signal"):
        text = f"signal {exit['signal']}"
    elif exit.get("code") is None:
        text = "exit unknown"
    else:
        text = f"exit {exit['code']}"
    return f"{text} ({exit['reason']})" if exit.get("reason") else text
