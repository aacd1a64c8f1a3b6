"""`harness events`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from harness_core.cli import options
from harness_core.cli.follow import event_batches
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.loglines import complaint
from harness_core.cli.render_events import event_line
from harness_core.cli.session import Session, pass_session
from harness_core.cli.text import cells
from harness_core.protocol import ListEvents, SubscribeEvents


@pass_session
def events(session: Session, services: tuple[str, ...], follow: bool, limit: int) -> None:
    """Show what happened to services."""
    project, names = session.project(), options.names(services)
    if not follow:
        known = session.call(ListEvents(project=project, services=names, limit=limit))["events"]
        width = max((cells(event["service"] or "") for event in known), default=0)
        for event in known:
            _show(session, {"type": "event", "event": event}, width)
        return
    for items in event_batches(session, SubscribeEvents(project=project, services=names), limit=limit):
        for item in items:
            _show(session, item, 12)


def _show(session: Session, item: Mapping[str, Any], width: int) -> None:
    if note := complaint(item):
        session.output.warn(note)
    if session.settings.json:
        session.output.json(item["event"] if item["type"] == "event" else item)
    elif item["type"] == "event":
        session.output.line(event_line(item["event"], width=width))


command = HarnessCommand(
    "events",
    callback=events,
    params=[
        options.services(),
        options.follow(),
        click.Option(
            ["--limit", "-n"],
            type=click.IntRange(min=1, max=1000),
            default=200,
            show_default=True,
            metavar="N",
            help="The newest N.",
        ),
    ],
    help="Show what happened to services, oldest first.",
    examples=("harness events", "harness events -f", "harness events api --limit 20 --json"),
)
