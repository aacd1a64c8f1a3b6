"""`harness daemon status`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session
from harness_core.cli.text import Line, Span, Style, line
from harness_core.cli.words import duration, since
from harness_core.protocol import DaemonStatus


@pass_session
def status(session: Session) -> None:
    """Show the daemon."""
    session.client(start=False)
    answer = session.call(DaemonStatus())
    if session.settings.json:
        session.output.json(answer)
        return
    if session.settings.quiet:
        session.output.write(f"{answer['pid']}\n")
        return
    uptime = since(answer["started_at"], datetime.now(UTC))
    rows = {
        "pid": answer["pid"],
        "version": answer["version"],
        "address": answer["address"],
        "uptime": duration(uptime or 0),
        "state": answer["state_dir"],
        "environment": answer["prefix"],
        "projects": answer["projects"],
        "clients": answer["clients"],
        "keeper": f"pid {answer['keeper'].get('pid') or 'none'}",
        "plugins": ", ".join(f"{p['distribution']} {p['version']}" for p in answer["plugins"]) or "none",
    }
    session.output.lines(_row(name, str(value)) for name, value in rows.items())
    if answer["degraded"]:
        session.output.warn(f"degraded: {answer['degraded']}")
    if answer["prefix"] != sys.prefix:
        session.output.warn(
            f"its plugins are those of {answer['prefix']}, not of {sys.prefix}, which this command is from and `harness plugins` "
            "lists; to change that: harness daemon upgrade --from-here"
        )


def _row(name: str, value: str) -> Line:
    return line(Span(f"{name:<12} ", Style.FAINT), value)


command = HarnessCommand(
    "status",
    callback=status,
    help="Show whether the daemon runs, where, and with what. Starts none: exit 4 when none runs.\n\nWith -q: its pid.",
    examples=("harness daemon status", "harness daemon status --json"),
)
