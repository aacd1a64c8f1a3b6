"""`harness status`, also called `harness ps`."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import click

from harness_core.cli import options
from harness_core.cli.failures import ExitCode
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.render_status import status_lines, status_sheet, summary
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import StatusOfServices

_ROOMY = 100
"""Columns from which on cpu and memory are asked for."""


@pass_session
def status(session: Session, services: tuple[str, ...], watch: bool, detailed: bool) -> int:
    """Show what runs."""
    output = session.output
    wide = output.terminal and output.width >= _ROOMY and not session.settings.json
    request = StatusOfServices(project=session.project(), services=options.names(services), detailed=detailed or wide)
    if watch:
        from harness_core.cli.watching import Watch

        show = partial(_show, session, figures=wide, detailed=detailed)
        return Watch(session, request, show=show, figures=wide, detailed=detailed).run()
    _show(session, session.call(request), figures=wide, detailed=detailed)
    return ExitCode.REACHED


def _show(session: Session, answer: dict[str, Any], *, figures: bool, detailed: bool) -> None:
    output = session.output
    if session.settings.json:
        output.json(answer)
    elif session.settings.quiet:
        output.write("".join(f"{service['name']}\n" for service in answer["services"]))
    else:
        if answer.get("degraded"):
            output.warn(f"degraded: {answer['degraded']}")
        now = datetime.now(UTC)
        if not output.terminal:
            output.sheet(status_sheet(answer, now=now, figures=figures, detailed=detailed))
            return
        output.lines(status_lines(answer, now=now, columns=output.width, figures=figures, detailed=detailed))
        output.say(*summary(answer))


command = HarnessCommand(
    "status",
    callback=status,
    params=[
        options.services(),
        click.Option(["-w", "--watch"], is_flag=True, help="Keep showing it, as things change, until q or Ctrl-C."),
        click.Option(["--detailed"], is_flag=True, help="Also cpu, memory, pid, run, processes, containment, notes."),
    ],
    help="Show what runs, how well, and where it is reached; `harness ps` is the same.\n\n"
    "A narrow terminal gets fewer columns, a wide one also cpu and memory; a pipe always gets the same. With -q: names alone.",
    examples=("harness status", "harness status api --json", "harness status --watch", "harness ps --detailed"),
)
