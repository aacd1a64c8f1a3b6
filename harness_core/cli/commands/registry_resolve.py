"""`harness registry resolve`."""

from __future__ import annotations

import click

from harness_core.cli import options
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.render_registry import resolved_sheet
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import ResolveService


@pass_session
def resolve(session: Session, service: str, endpoint: str | None, viewer: str | None) -> None:
    """Show how a service is reached."""
    answer = session.call(ResolveService(project=session.project(), service=service, viewer=viewer, endpoint=endpoint))
    output = session.output
    if session.settings.json:
        output.json(answer)
    elif session.settings.quiet:
        output.write("".join(f"{one['url']}\n" for one in answer["endpoints"] if one["url"]))
    else:
        output.sheet(resolved_sheet(answer))


command = HarnessCommand(
    "resolve",
    callback=resolve,
    params=[
        options.service(),
        click.Argument(["endpoint"], metavar="[ENDPOINT]", required=False),
        click.Option(
            ["--from", "viewer"],
            type=options.ServiceName(),
            metavar="SERVICE",
            help="As this service sees it from where it stands; default: from the daemon's machine.",
        ),
    ],
    help="Show how a service is reached, from here or as seen by another service.\n\n"
    "The same as `${SERVICE.host}`, `.port` and `.url` in the configuration. Exit 1 when it can't be reached from there; the "
    "error says why. With -q: the URL alone.",
    examples=(
        "harness registry resolve db",
        "harness registry resolve db sql --from api",
        "curl $(harness registry resolve web http -q)",
    ),
)
