"""`harness plan`."""

from __future__ import annotations

from harness_core.cli import options
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.render_plan import plan_lines
from harness_core.cli.reporting import say_warnings
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import PlanConfig


@pass_session
def plan(session: Session, services: tuple[str, ...], profiles: tuple[str, ...]) -> None:
    """Show what apply would do."""
    answer = session.call(PlanConfig(bundle=session.bundle(profiles=profiles), services=options.names(services)))
    if session.settings.json:
        session.output.json(answer)
        return
    say_warnings(session, answer)
    lines = plan_lines(answer, with_kept=session.settings.verbose)
    session.output.lines(lines[:-1] if session.settings.quiet else lines)


command = HarnessCommand(
    "plan",
    callback=plan,
    params=[options.services(), options.profiles()],
    help="Show what apply would do, and why, without any effect.\n\nWith -v also what stays as it is; with -q no summary.",
    examples=("harness plan", "harness plan --json", "harness plan api", "harness plan --profile debug"),
)
