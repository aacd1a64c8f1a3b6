"""Recent: the last log lines, and which lines a filter lets through."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_KEPT = 500
_LONGEST = 8192
"""Bytes of a line that is worth keeping: this is for looking back a little, the whole is in `harness logs`."""


@dataclass(frozen=True, slots=True)
class _Line:
    service: str
    data: bytes
    shown: bytes


class Recent:
    """Lets through lines that have a text, and those of services whose name has it; a text without capitals means both cases."""

    def __init__(self) -> None:
        self.hidden = 0
        self._text = ""
        self._lines: deque[_Line] = deque(maxlen=_KEPT)

    def take(self, service: str, data: bytes, shown: bytes) -> bytes:
        """What to show of this line: all, or nothing."""
        one = _Line(service, data, shown)
        if len(shown) <= _LONGEST:
            self._lines.append(one)
        if self._passes(one):
            return shown
        self.hidden += 1
        return b""

    def narrow(self, text: str, *, back: int) -> list[bytes]:
        """From now on only what has the text, and the last `back` lines that have it; an empty text lets everything through."""
        self._text, self.hidden = text, 0
        return [one.shown for one in self._lines if self._passes(one)][-back:] if text and back else []

    def _passes(self, one: _Line) -> bool:
        if not self._text:
            return True
        text, data = self._text, one.data.decode("utf-8", "replace")
        if text == text.lower():
            data = data.lower()
        return text in data or text.lower() in one.service.lower()
