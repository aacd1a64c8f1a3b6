"""`harness registry list`."""

from __future__ import annotations

import click

from harness_core.cli import options
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.render_registry import registry_sheet
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import ListRegistry


@pass_session
def show(session: Session, services: tuple[str, ...], everything: bool) -> None:
    """Show what runs where."""
    project = None if everything else session.project()
    answer = session.call(ListRegistry(project=project, services=options.names(services)))
    output = session.output
    if session.settings.json:
        output.json(answer)
    elif session.settings.quiet:
        output.write("".join(f"{record['service']}\n" for record in answer["services"]))
    else:
        output.sheet(registry_sheet(answer["services"], with_projects=everything))


command = HarnessCommand(
    "list",
    callback=show,
    params=[
        options.services(),
        click.Option(["-a", "--all", "everything"], is_flag=True, help="Of all projects that the daemon knows."),
    ],
    help="Show what runs where, with all addresses and from where each is valid.\n\n"
    "A place is a host, or a network on one. With -q: names alone.",
    examples=("harness registry list", "harness registry list db --json", "harness registry list --all"),
)
