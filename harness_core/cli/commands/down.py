"""`harness down`."""

from __future__ import annotations

import click

from harness_core.cli import options
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.reporting import carry_out
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import StopServices


@pass_session
def down(session: Session, kill: bool, wait: bool, timeout: float | None) -> int:
    """Stop the whole project and forget that it was wanted."""
    request = StopServices(project=session.project(), force=True, down=True, kill=kill, wait=wait, timeout=timeout)
    return carry_out(session, request)


command = HarnessCommand(
    "down",
    callback=down,
    params=[
        click.Option(["--kill"], is_flag=True, help="Don't ask: KILL at once."),
        options.wait(),
        options.grace(),
    ],
    help="Stop all services of the project, dependents first, and leave nothing behind.\n\n"
    "Oneshots that have completed run again at the next up.",
    examples=("harness down", "harness down --timeout 20s", "harness -p shop down --kill"),
)
