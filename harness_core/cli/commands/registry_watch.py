"""`harness registry watch`."""

from __future__ import annotations

from datetime import datetime

import click

from harness_core.cli import options
from harness_core.cli.follow import record_batches
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.render_registry import record_line
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import WatchRegistry


@pass_session
def watch(session: Session, services: tuple[str, ...], everything: bool) -> None:
    """Show how services are reached, and how that changes."""
    project = None if everything else session.project()
    request = WatchRegistry(project=project, services=options.names(services))
    for records in record_batches(session, request):
        for record in records:
            if session.settings.json:
                session.output.json(record)
            else:
                session.output.line(record_line(record, now=datetime.now().astimezone(), with_project=everything))


command = HarnessCommand(
    "watch",
    callback=watch,
    params=[
        options.services(),
        click.Option(["-a", "--all", "everything"], is_flag=True, help="Of all projects that the daemon knows."),
    ],
    help="Show how services stand and are reached, and go on as that changes, until Ctrl-C: a line each.\n\n"
    "First each service as it is. Goes on over restarts of the daemon.",
    examples=("harness registry watch", "harness registry watch db --json"),
)
