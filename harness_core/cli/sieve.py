"""Sieve: which log items are wanted, decided by whole lines, and the last so many of them."""

from __future__ import annotations

import base64
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Item = Mapping[str, Any]

LONGEST = 8 * 1024 * 1024
"""Bytes of an unfinished line that are held back; what is longer is looked at in parts."""


def data_of(item: Item) -> bytes:
    """The exact bytes of a log item."""
    return base64.b64decode(item["base64"]) if item.get("base64") else item["text"].encode()


@dataclass(slots=True)
class _Partial:
    """Pieces of a line whose end has not come yet."""

    since: float
    items: list[Item] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)


class Sieve:
    """Lets through lines in which a text stands, literally, and those of one stream; everything where nothing is asked."""

    def __init__(self, *, grep: str | None = None, stream: str | None = None) -> None:
        self._text = None if grep is None else grep.encode()
        self._stream = stream
        self._partial: dict[tuple[str, str], _Partial] = {}

    def take(self, item: Item) -> list[Item]:
        """What passes now, because of this item."""
        if self._stream is not None and item["stream"] not in (self._stream, "mixed"):
            return []
        if self._text is None:
            return [item]
        key, passed = (item["service"], item["stream"]), []
        partial = self._partial.pop(key, None)
        if partial is not None and partial.items[0]["run"] != item["run"]:
            passed, partial = self._judged(partial), None  # what a run left unfinished nobody will finish
        partial = partial or _Partial(time.monotonic())
        partial.items.append(item)
        partial.data += data_of(item)
        if item["end"] or len(partial.data) >= LONGEST:
            return passed + self._judged(partial)
        self._partial[key] = partial
        return passed

    def rest(self, *, older_than: float = 0.0) -> list[Item]:
        """What passes of unfinished lines that have waited so long."""
        now = time.monotonic()
        late = [key for key, partial in self._partial.items() if now - partial.since >= older_than]
        return [item for key in late for item in self._judged(self._partial.pop(key))]

    def _judged(self, partial: _Partial) -> list[Item]:
        return partial.items if self._text is None or self._text in partial.data else []


class LastLines:
    """The last `count` lines of each service, in the order in which they came."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lines: dict[str, deque[tuple[int, list[Item]]]] = {}
        self._open: dict[tuple[str, str], list[Item]] = {}
        self._taken = 0

    def take(self, items: Iterable[Item]) -> None:
        """Remember these, and forget what is too old by then."""
        for item in items:
            key = (item["service"], item["stream"])
            line = self._open.setdefault(key, [])
            if not line:
                self._taken += 1
                self._lines.setdefault(item["service"], deque(maxlen=self._count)).append((self._taken, line))
            line.append(item)
            if item["end"]:
                del self._open[key]

    def items(self) -> list[Item]:
        """What was kept."""
        lines = sorted((line for lines in self._lines.values() for line in lines), key=lambda line: line[0])
        return [item for _, line in lines for item in line]
