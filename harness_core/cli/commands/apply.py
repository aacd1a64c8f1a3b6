"""`harness apply`."""

from __future__ import annotations

import click

from harness_core.cli import options
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.reporting import carry_out
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import ApplyConfig


@pass_session
def apply(
    session: Session, services: tuple[str, ...], profiles: tuple[str, ...], start: bool, wait: bool, timeout: float | None
) -> int:
    """Make the configuration real."""
    bundle = session.bundle(profiles=profiles)
    request = ApplyConfig(bundle=bundle, services=options.names(services), start=start, wait=wait, timeout=timeout)
    return carry_out(session, request)


command = HarnessCommand(
    "apply",
    callback=apply,
    params=[
        options.services(),
        options.profiles(),
        click.Option(["--start/--no-start"], default=True, help="Start what does not run yet; the default."),
        options.wait(),
        options.timeout(),
    ],
    help="Make the configuration real: start, restart and remove what it takes, and nothing else.\n\n"
    "With names, only these and what they depend on are started.",
    examples=("harness apply", "harness apply --no-start", "harness apply --profile debug", "harness apply api --timeout 1m"),
)
