"""Lines: whole lines out of chunks of two interleaved streams, each with a position from which reading can go on."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harness_core.contracts.output import Cursor, Output, Stream

PIECE = 64 * 1024
"""Bytes of a line that are given out at once; a longer line comes in pieces with `end: false`."""


@dataclass(frozen=True, slots=True)
class Position:
    """Strictly after this: the run, a chunk's cursor, and how many bytes of each stream after it are already delivered."""

    run: str
    cursor: Cursor | None = None
    taken: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        taken = ",".join(f"{stream}={count}" for stream, count in self.taken)
        return f"{self.run} {self.cursor or '-'} {taken or '-'}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position that `str()` wrote; ValueError when it can't be one."""
        run, cursor, taken = text.split(" ")
        pairs = [] if taken == "-" else [pair.split("=") for pair in taken.split(",")]
        return cls(run, None if cursor == "-" else Cursor(cursor), tuple((Stream(s), int(n)) for s, n in pairs))


@dataclass(slots=True)
class LineAssembler:
    """Turns the chunks of one run into `log` items of the wire."""

    service: str
    run: str
    start: Position | None = None
    _base: Cursor | None = None
    _taken: dict[str, int] = field(default_factory=dict)
    _skip: dict[str, int] = field(default_factory=dict)
    _pending: dict[str, bytearray] = field(default_factory=dict)
    _at: datetime | None = None

    def __post_init__(self) -> None:
        if self.start is not None:
            self._base = self.start.cursor
            self._skip = dict(self.start.taken)

    @property
    def position(self) -> Position:
        """Where everything given out so far ends."""
        merged = {s: self._taken.get(s, 0) + self._skip.get(s, 0) for s in {*self._taken, *self._skip}}
        return Position(self.run, self._base, tuple(sorted((s, n) for s, n in merged.items() if n)))

    @property
    def unfinished(self) -> bool:
        """Whether bytes wait for the end of their line."""
        return any(self._pending.values())

    def feed(self, chunk: Output) -> Iterator[dict[str, Any]]:
        """The items that a chunk completes."""
        stream = str(chunk.stream)
        data = chunk.data
        self._at = chunk.at
        if chunk.lost:
            # Positions before the gap mean nothing any more.
            yield from self._flush_all()
            self._skip.clear()
            yield self._item(stream, b"", end=True, lost=chunk.lost)
        skip = min(self._skip.get(stream, 0), len(data))
        if skip:
            self._skip[stream] -= skip
            self._taken[stream] = self._taken.get(stream, 0) + skip
            data = data[skip:]
        pending = self._pending.setdefault(stream, bytearray())
        pending += data
        yield from self._complete(stream, pending)
        if not self.unfinished and not any(self._skip.values()):
            self._base = chunk.cursor
            self._taken.clear()

    def flush(self) -> Iterator[dict[str, Any]]:
        """What is left without the end of its line, as pieces."""
        yield from self._flush_all()

    def _complete(self, stream: str, pending: bytearray) -> Iterator[dict[str, Any]]:
        start = 0
        while True:
            end = pending.find(b"\n", start)
            if end < 0:
                break
            for offset in range(start, end, PIECE):
                piece = bytes(pending[offset : min(offset + PIECE, end)])
                last = offset + PIECE >= end
                self._take(stream, len(piece) + last)
                yield self._item(stream, piece, end=last)
            if start == end:
                self._take(stream, 1)
                yield self._item(stream, b"", end=True)
            start = end + 1
        while len(pending) - start >= PIECE:
            piece = bytes(pending[start : start + PIECE])
            self._take(stream, PIECE)
            yield self._item(stream, piece, end=False)
            start += PIECE
        del pending[:start]

    def _flush_all(self) -> Iterator[dict[str, Any]]:
        for stream, pending in self._pending.items():
            if pending:
                data = bytes(pending)
                pending.clear()
                self._take(stream, len(data))
                yield self._item(stream, data, end=False)

    def _take(self, stream: str, count: int) -> None:
        self._taken[stream] = self._taken.get(stream, 0) + count

    def _item(self, stream: str, data: bytes, *, end: bool, lost: int = 0) -> dict[str, Any]:
        item: dict[str, Any] = {
            "type": "log",
            "service": self.service,
            "run": self.run,
            "at": self._at.isoformat() if self._at else None,
            "stream": stream,
            "text": data.decode(errors="replace"),
            "end": end,
            "cursor": str(self.position),
        }
        if lost:
            item["lost"] = lost
        try:
            data.decode()
        except UnicodeDecodeError:
            item["base64"] = base64.b64encode(data).decode()
        return item
