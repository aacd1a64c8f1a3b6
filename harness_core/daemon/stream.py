"""Stream: the items of one request on their way to a client, a few milliseconds of them a frame."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Protocol

from harness_core.protocol import stream_frame

GATHER = 0.003
"""Seconds that items wait for others; the first after a pause does not wait."""
MANY = 500
"""Items that do not wait; also how long the event loop is kept at most (a few ms)."""
FRAME_CHARACTERS = 256 * 1024
_REMEMBERED = 256
"""Texts of events that are kept: all who are to get an event get it within a few milliseconds."""


class Channel(Protocol):
    """Where the texts for one client go."""

    def send(self, text: str) -> None:
        """Take one text, at once."""

    async def drained(self) -> None:
        """Return when the client has taken enough of what was sent that there is room for more."""

    def close(self, reason: str) -> None:
        """Say why, and end."""


class Encoder:
    """Items as JSON; an event that goes to many clients is encoded once."""

    def __init__(self) -> None:
        # By identity, with the item itself so that its id is not given to another one.
        self._texts: dict[int, tuple[dict[str, Any], str]] = {}

    def encode(self, item: dict[str, Any]) -> str:
        """The item as text."""
        if item.get("type") != "event":
            return json.dumps(item, separators=(",", ":"))
        known = self._texts.get(id(item))
        if known is not None:
            return known[1]
        text = json.dumps(item, separators=(",", ":"))
        if len(self._texts) >= _REMEMBERED:
            self._texts.clear()
        self._texts[id(item)] = (item, text)
        return text


class Stream:
    """Sends items of request `id`. A client that is slow to take them makes `send` wait, and nobody else."""

    def __init__(self, channel: Channel, encoder: Encoder, id: int) -> None:
        self._channel = channel
        self._encoder = encoder
        self._id = id
        self._head = ""
        self._pending: list[dict[str, Any]] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._sent_at = 0.0

    async def send(self, items: Sequence[dict[str, Any]]) -> None:
        """Pass items on, in order; returns when there is room for more."""
        for start in range(0, len(items), MANY):
            self._pending += items[start : start + MANY]
            if len(self._pending) >= MANY or self._loop.time() - self._sent_at >= GATHER:
                self.flush()
                # A source that never waits must not keep everybody else waiting.
                await asyncio.sleep(0)
            elif self._timer is None:
                self._timer = self._loop.call_later(GATHER, self.flush)
            await self._channel.drained()

    def flush(self) -> None:
        """Send what waits for company."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        items, self._pending = self._pending, []
        self._sent_at = self._loop.time()
        texts: list[str] = []
        size = 0
        for item in items:
            text = self._encoder.encode(item)
            if texts and size + len(text) > FRAME_CHARACTERS:
                self._frame(texts)
                texts, size = [], 0
            texts.append(text)
            size += len(text) + 1
        if texts:
            self._frame(texts)

    def close(self) -> None:
        """Nobody wants the rest."""
        if self._timer is not None:
            self._timer.cancel()

    def _frame(self, texts: list[str]) -> None:
        if not self._head:
            self._head = json.dumps(stream_frame(self._id, []), separators=(",", ":")).removesuffix("]}}")
        self._channel.send(self._head + ",".join(texts) + "]}}")
