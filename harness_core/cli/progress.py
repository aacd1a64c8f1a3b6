"""Waiting for a request that takes time, and never silently: a footer on a terminal, a beat elsewhere."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from harness_core.cli.board import Board, spinner
from harness_core.cli.footer import Footer
from harness_core.cli.output import Output
from harness_core.cli.render_events import event_line
from harness_core.cli.text import Span, Style, line
from harness_core.cli.words import duration
from harness_core.protocol import StatusOfServices

if TYPE_CHECKING:
    from harness_core.client import Client
    from harness_core.protocol import Request

BEAT = 10.0
"""Seconds between two lines about the same wait, where nothing can be redrawn."""
_TICK = 0.2
_LONG = 1.0
"""Seconds from which on a wait is worth talking about."""


def await_outcome(client: Client, request: Request, output: Output, *, names: Collection[str] | None = None) -> Any:
    """The result of a streaming request; what goes on meanwhile is shown on stderr."""
    board, footer, beats = Board(names), Footer(output), Beats(output)
    stream = client.stream(request)
    began, project, learned = time.monotonic(), getattr(request, "project", None), False
    try:
        while not stream.ended:
            client.wait(stream, timeout=_TICK if footer.active else 1.0)
            now = time.monotonic()
            for item in stream.take():
                board.take(item, now)
                project = project or item.get("event", {}).get("project")
                if output.settings.verbose and item["type"] == "event":
                    footer.clear()
                    output.say(*event_line(item["event"]))
            if not learned and project and now - began >= _LONG and not stream.ended:
                # What was on its way before tells nothing until it gets there, and it may be just that which is awaited.
                learned = True
                _learn(client, board, project)
            if footer.active:
                footer.show(board.lines(now, room=footer.room))
            else:
                beats.tell(board, now)
    finally:
        footer.clear()
    return stream.result


def await_reply(client: Client, request: Request, output: Output, *, what: str) -> Any:
    """The result of a request that may take its time; `what` is awaited is said."""
    footer, began, said = Footer(output), time.monotonic(), BEAT
    reply = client.stream(request)
    try:
        while not reply.ended:
            client.wait(reply, timeout=_TICK if footer.active else 1.0)
            now = time.monotonic()
            passed = now - began
            if footer.active and passed >= _LONG:
                footer.show([line(Span(f"{spinner(now)} ", Style.CARE), f"{what}, {duration(passed)}")])
            elif not footer.active and passed >= said:
                said += BEAT
                output.say(f"{what}, {duration(passed)}")
    finally:
        footer.clear()
    return reply.result


def _learn(client: Client, board: Board, project: str) -> None:
    from harness_core.client import RemoteError

    try:
        services = client.call(StatusOfServices(project=project))["services"]
    except RemoteError:
        return  # it is only just becoming known, or is gone again: its events tell the rest
    now = time.monotonic()
    for service in services:
        if service["name"] not in board.rows:
            board.learn(service, now)


class Beats:
    """Says of each long wait, every ten seconds, what is awaited."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._last = time.monotonic()

    def tell(self, board: Board, now: float) -> None:
        """Say it if it is time."""
        if now - self._last >= BEAT:
            self._last = now
            if board.queued and not board.moving():
                self._output.say(board.queued)
            for row in board.moving():
                if now - row.since >= BEAT / 2:
                    self._output.say(row.beat(now))
