"""`harness start`."""

from __future__ import annotations

from harness_core.cli import options
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.reporting import carry_out
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import StartServices


@pass_session
def start(session: Session, services: tuple[str, ...], wait: bool, timeout: float | None) -> int:
    """Start services."""
    request = StartServices(project=session.project(), services=options.names(services), wait=wait, timeout=timeout)
    return carry_out(session, request)


command = HarnessCommand(
    "start",
    callback=start,
    params=[options.services(), options.wait(), options.timeout()],
    help="Start services and what they depend on.\n\nWithout names: all of the project. What already runs stays as it is.",
    examples=("harness start", "harness start api --timeout 30s", "harness start worker --no-wait"),
)
