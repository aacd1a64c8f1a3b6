"""`harness health`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness_core.cli import options
from harness_core.cli.failures import ExitCode
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.progress import await_reply
from harness_core.cli.session import Session, pass_session
from harness_core.cli.sheet import Column, Sheet
from harness_core.cli.text import Line, Span, Style, line, visible
from harness_core.cli.words import duration
from harness_core.protocol import RunHealthChecks

_COLUMNS = (
    Column("service"),
    Column("check", keep=2),
    Column("healthy"),
    Column("took", keep=3, right=True),
    Column("detail", keep=1, shrinks=True, narrowest=20),
)


@pass_session
def health(session: Session, services: tuple[str, ...]) -> int:
    """Run the health checks now."""
    request = RunHealthChecks(project=session.project(), services=options.names(services))
    what = f"waiting for the health checks of {', '.join(services) or 'all services'}"
    answer = await_reply(session.client(), request, session.output, what=what)
    results = answer["services"]
    if session.settings.json:
        session.output.json(answer)
    else:
        shown = [r for r in results if not (session.settings.quiet and r["healthy"] is not False)]
        session.output.sheet(Sheet(_COLUMNS, tuple(_row(result) for result in shown)))
    return ExitCode.NOT_REACHED if any(result["healthy"] is False for result in results) else ExitCode.REACHED


def _row(result: Mapping[str, Any]) -> tuple[Line, ...]:
    words = {True: Span("yes", Style.GOOD), False: Span("no", Style.BAD), None: Span("unknown", Style.FAINT)}
    seconds = result.get("seconds")
    return (
        line(Span(result["name"], Style.STRONG)),
        line(result.get("check") or ""),
        line(words[result["healthy"]]),
        line("" if seconds is None else f"{seconds * 1000:.0f}ms" if seconds < 1 else duration(seconds)),
        line(visible(result.get("detail") or "")),
    )


command = HarnessCommand(
    "health",
    callback=health,
    params=[options.services()],
    help="Run the health checks now and show what they say.\n\n"
    "Changes no state. Exit 1 when a service is not healthy; with -q only those are shown.",
    examples=("harness health", "harness health api --json"),
)
