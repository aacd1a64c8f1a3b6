"""Output: what a run wrote, in chunks, addressed by cursors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

Cursor = NewType("Cursor", str)
"""A position in the output of one run. Opaque to core: only the executor that made it can read it."""


class Stream(StrEnum):
    """Which stream a chunk came from; `mixed` where the place does not tell them apart."""

    OUT = "out"
    ERR = "err"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class OutputQuery:
    """Which output is wanted: strictly after `since`, or about the last `tail` lines (never fewer), and whether to `follow`."""

    since: Cursor | datetime | None = None
    tail: int | None = None
    follow: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """One chunk of bytes as read, not a line; `lost` bytes are missing before it."""

    cursor: Cursor
    at: datetime
    stream: Stream
    data: bytes
    lost: int = 0
