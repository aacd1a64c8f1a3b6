"""Waiting for a request that takes time, and never silently: a footer on a terminal, a beat elsewhere."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from harness_core.cli.board import Board
from harness_core.cli.footer import Footer
from harness_core.cli.output import Output
from harness_core.cli.render_events import event_line

if TYPE_CHECKING:
    from harness_core.client import Client
    from harness_core.protocol import Request

BEAT = 10.0
"""Seconds between two lines about the same wait, where nothing can be redrawn."""
_TICK = 0.2


def await_outcome(client: Client, request: Request, output: Output, *, names: Collection[str] | None = None) -> Any:
    """The result of a streaming request; what goes on meanwhile is shown on stderr."""
    board, footer, beats = Board(names), Footer(output), Beats(output)
    stream = client.stream(request)
    try:
        while not stream.ended:
            client.wait(stream, timeout=_TICK if footer.active else 1.0)
            now = time.monotonic()
            for item in stream.take():
                board.take(item, now)
                if output.settings.verbose and item["type"] == "event":
                    footer.clear()
                    output.say(*event_line(item["event"]))
            if footer.active:
                footer.show(board.lines(now, room=footer.room))
            else:
                beats.tell(board, now)
    finally:
        footer.clear()
    return stream.result


class Beats:
    """Says of each long wait, every ten seconds, what is awaited."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._last = time.monotonic()

    def tell(self, board: Board, now: float) -> None:
        """Say it if it is time."""
        if now - self._last >= BEAT:
            self._last = now
            for row in board.moving():
                if now - row.since >= BEAT / 2:
                    self._output.say(row.beat(now))
