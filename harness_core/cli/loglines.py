"""Log items as lines for people, or as the very bytes for programs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness_core.cli.recent import Recent
from harness_core.cli.sieve import LONGEST, data_of
from harness_core.cli.text import name_colour, visible
from harness_core.cli.words import clock

PATIENCE = 1.0
"""Seconds after which an unfinished line, a prompt perhaps, is shown as it is."""


@dataclass(slots=True)
class _Partial:
    """A line whose end has not come yet."""

    item: Mapping[str, Any]
    since: float
    data: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class LogStyle:
    """How lines are to look. `prefixed`: several services are shown; `raw`: control sequences reach the terminal."""

    prefixed: bool
    terminal: bool = False
    coloured: bool = False
    timestamps: bool = False
    raw: bool = False
    whole: bool = False
    """every line ends with a newline, though its service has not written one yet"""
    width: int = 0
    """how wide names are, at least"""

    @property
    def exact(self) -> bool:
        """Whether the bytes of one service go out as they came."""
        return not (self.prefixed or self.terminal or self.timestamps or self.whole)


class LogLines:
    """Makes whole lines of log items: those of two services never mix, whatever pieces they come in."""

    def __init__(self, style: LogStyle, *, recent: Recent | None = None) -> None:
        self._style = style
        self._recent = recent
        self._partial: dict[tuple[str, str], _Partial] = {}

    def take(self, item: Mapping[str, Any]) -> bytes:
        """What to write because of this item."""
        style = self._style
        data = data_of(item)
        if style.exact:
            return data + b"\n" if item["end"] else data
        key, before = (item["service"], item["stream"]), b""
        partial = self._partial.get(key)
        if partial is not None and partial.item["run"] != item["run"]:
            # What a run left unfinished nobody will finish.
            del self._partial[key]
            before, partial = self._line(partial.item, bytes(partial.data)), None
        return before + self._joined(key, partial, item, data)

    def _joined(self, key: tuple[str, str], partial: _Partial | None, item: Mapping[str, Any], data: bytes) -> bytes:
        if partial is None:
            if item["end"]:
                return self._line(item, data)
            partial = self._partial[key] = _Partial(item, time.monotonic())
        partial.data += data
        partial.since = time.monotonic()
        if not item["end"] and len(partial.data) < LONGEST:
            return b""
        del self._partial[key]
        return self._line(partial.item, bytes(partial.data))

    def rest(self, *, older_than: float = 0.0) -> bytes:
        """Unfinished lines that have waited so long, shown as they are."""
        now = time.monotonic()
        late = [key for key, partial in self._partial.items() if now - partial.since >= older_than]
        return b"".join(self._line(partial.item, bytes(partial.data)) for partial in map(self._partial.pop, late))

    def _line(self, item: Mapping[str, Any], data: bytes) -> bytes:
        style = self._style
        if style.terminal and not style.raw:
            data = visible(data.removesuffix(b"\r").decode("utf-8", "replace")).encode()
        shown = self._prefix(item) + data + (b"\x1b[0m\n" if style.raw and style.terminal else b"\n")
        return shown if self._recent is None else self._recent.take(item["service"], data, shown)

    def _prefix(self, item: Mapping[str, Any]) -> bytes:
        style, prefix = self._style, ""
        if style.timestamps:
            prefix = f"{clock(item['at'])} " if style.terminal else f"{item['at']} "
        if style.prefixed:
            name = item["service"].ljust(style.width) if style.terminal else item["service"]
            prefix += f"\x1b[{name_colour(item['service'])}m{name} |\x1b[0m " if style.coloured else f"{name} | "
        return prefix.encode()


def complaint(item: Mapping[str, Any]) -> str | None:
    """What has to be said about this item beside its text: output that is missing."""
    if item["type"] == "lagged":
        return f"this reader was too slow: {item['to'] - item['from'] + 1} items are missing here"
    if item["type"] == "log" and item.get("lost"):
        return f"{item['service']}: {item['lost']} bytes of its output are missing here"
    return None
