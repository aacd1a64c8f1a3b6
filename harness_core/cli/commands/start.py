"""`harness start`."""

from __future__ import annotations

import click
from click.core import ParameterSource

from harness_core.cli import options
from harness_core.cli.failures import UsageFault
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.reporting import carry_out
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import StartServices


@pass_session
def start(session: Session, services: tuple[str, ...], profiles: tuple[str, ...], wait: bool, timeout: float | None) -> int:
    """Start services."""
    context = click.get_current_context()
    if services and context.get_parameter_source("profiles") is ParameterSource.COMMANDLINE:
        raise UsageFault("--profile goes without names", hint="a service that is named starts whatever its profiles")
    request = StartServices(
        project=session.project(),
        services=options.names(services),
        profiles=() if services else profiles,
        wait=wait,
        timeout=timeout,
    )
    return carry_out(session, request)


command = HarnessCommand(
    "start",
    callback=start,
    params=[options.services(), options.profiles(), options.wait(), options.timeout()],
    help="Start services and what they depend on.\n\nWithout names: all of the project that have no profile, or one of those "
    "applied or named here. What already runs stays as it is.",
    examples=(
        "harness start",
        "harness start api --timeout 30s",
        "harness start worker --no-wait",
        "harness start --profile debug",
    ),
)
