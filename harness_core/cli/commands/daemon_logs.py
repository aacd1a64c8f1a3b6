"""`harness daemon logs`."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator

import click

from harness_core.cli import options
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session
from harness_core.cli.text import Span, Style, line, visible
from harness_core.cli.words import clock
from harness_core.protocol import DaemonLogs
from harness_core.transport import Unreachable

_LEVELS = {"warning": Style.CARE, "error": Style.BAD, "critical": Style.BAD}


@pass_session
def logs(session: Session, follow: bool, tail: int) -> None:
    """Show the daemon's own log."""
    for text in _lines(session, follow=follow, tail=tail):
        if session.settings.json or not session.output.terminal:
            session.output.write(text + "\n")
        else:
            _show(session, text)


def _lines(session: Session, *, follow: bool, tail: int) -> Iterator[str]:
    try:
        client = session.client(start=False)
    except Unreachable as e:
        # Just when it does not start, its log is wanted most.
        path = session.state_dir / "daemon.log"
        if follow or not path.exists():
            raise
        session.output.say(f"{e.message}; this is what the last one wrote into {path}")
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from (text.rstrip("\n") for text in deque(file, maxlen=tail))
        return
    for item in client.stream(DaemonLogs(tail=tail, follow=follow)):
        if item["type"] == "line":
            yield item["text"]


def _show(session: Session, text: str) -> None:
    """A line of JSON as people like to read it."""
    try:
        record = json.loads(text)
        style = _LEVELS.get(record["level"], Style.PLAIN)
        head = (Span(clock(record["at"]), Style.FAINT), " ", Span(f"{record['level']:<7}", style), " ")
        session.output.line(line(*head, visible(record["message"])))
    except (ValueError, KeyError, TypeError):
        session.output.line(line(visible(text)))


command = HarnessCommand(
    "logs",
    callback=logs,
    params=[
        options.follow(),
        click.Option(
            ["--tail", "-n"], type=click.IntRange(min=0), default=200, show_default=True, metavar="N", help="The last N lines."
        ),
    ],
    help="Show the daemon's own log; one JSON object a line in a pipe and with --json.",
    examples=("harness daemon logs", "harness daemon logs -f", "harness daemon logs --tail 20 --json"),
)
