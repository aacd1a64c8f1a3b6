"""`harness stop`."""

from __future__ import annotations

import click

from harness_core.cli import options
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.reporting import carry_out
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import StopServices


@pass_session
def stop(session: Session, services: tuple[str, ...], force: bool, kill: bool, wait: bool, timeout: float | None) -> int:
    """Stop services."""
    request = StopServices(
        project=session.project(), services=options.names(services), force=force, kill=kill, wait=wait, timeout=timeout
    )
    return carry_out(session, request)


command = HarnessCommand(
    "stop",
    callback=stop,
    params=[
        options.services(),
        click.Option(["--force"], is_flag=True, help="Also while services that depend on them run."),
        click.Option(["--kill"], is_flag=True, help="Don't ask: KILL at once."),
        options.wait(),
        options.grace(),
    ],
    help="Stop services.\n\n"
    "Each is asked, given its time, and then killed with all that it started. Without names: all of the project.",
    examples=("harness stop worker", "harness stop db --force", "harness stop --kill"),
)
