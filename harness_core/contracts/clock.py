"""Clock: time as a thing that is passed in, so that tests can step it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one for people, one for measuring."""

    def now(self) -> datetime:
        """The wall clock, with its offset; may jump."""

    def monotonic(self) -> float:
        """Seconds that never jump; every duration and deadline is measured on it."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The wall clock in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()
