"""`harness restart`."""

from __future__ import annotations

from harness_core.cli import options
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.reporting import carry_out
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import RestartServices


@pass_session
def restart(session: Session, services: tuple[str, ...], wait: bool, timeout: float | None) -> int:
    """Restart services."""
    request = RestartServices(project=session.project(), services=options.names(services), wait=wait, timeout=timeout)
    return carry_out(session, request)


command = HarnessCommand(
    "restart",
    callback=restart,
    params=[options.services(), options.wait(), options.timeout()],
    help="Stop services and start them again.\n\nTheir dependents go on running. A completed oneshot runs once more.",
    examples=("harness restart api", "harness restart api worker --timeout 1m"),
)
