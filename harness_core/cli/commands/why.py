"""`harness why`."""

from __future__ import annotations

from harness_core.cli import options
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.render_why import why_lines
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import WhyService


@pass_session
def why(session: Session, service: str) -> None:
    """Explain why a service is in its state."""
    answer = session.call(WhyService(project=session.project(), service=service))
    if session.settings.json:
        session.output.json(answer)
    else:
        lines = why_lines(answer)
        session.output.lines(lines[:1] if session.settings.quiet else lines)


command = HarnessCommand(
    "why",
    callback=why,
    params=[options.service()],
    help="Explain in words why a service is in its state.\n\n"
    "What it waits for, how it ended, what its health checks said, who asked for what, and its last lines.",
    examples=("harness why api", "harness why api --json", "harness why api -q"),
)
