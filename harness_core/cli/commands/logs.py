"""`harness logs`."""

from __future__ import annotations

import click

from harness_core.cli import options
from harness_core.cli.follow import log_batches
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.loglines import PATIENCE, LogLines, LogStyle, complaint
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import ReadLogs


@pass_session
def logs(
    session: Session,
    services: tuple[str, ...],
    follow: bool,
    tail: int | None,
    since: str | None,
    until: str | None,
    grep: str | None,
    stream: str | None,
    timestamps: bool,
    raw: bool,
) -> None:
    """Show the output of services."""
    output = session.output
    request = ReadLogs(
        project=session.project(), services=options.names(services), since=since, until=until, tail=tail, follow=follow
    )
    style = LogStyle(
        prefixed=len(services) != 1,
        terminal=output.terminal,
        coloured=output.colours(output.stdout),
        timestamps=timestamps,
        raw=raw,
        grep=grep,
        stream=stream,
        width=max((len(name) for name in services), default=_widest(session, request) if output.terminal else 0),
    )
    lines = LogLines(style)
    try:
        for items in log_batches(session, request):
            parts = []
            for item in items:
                if note := complaint(item):
                    output.warn(note)
                if output.settings.json:
                    output.json(item)
                elif item["type"] == "log":
                    parts.append(lines.take(item))
            parts.append(lines.rest(older_than=PATIENCE))
            if text := b"".join(parts):
                output.write_bytes(text)
    finally:
        if text := lines.rest():
            output.write_bytes(text)


def _widest(session: Session, request: ReadLogs) -> int:
    from harness_core.protocol import StatusOfServices

    status = session.call(StatusOfServices(project=request.project))
    return max((len(service["name"]) for service in status["services"]), default=0)


command = HarnessCommand(
    "logs",
    callback=logs,
    params=[
        options.services(),
        options.follow(),
        click.Option(["--tail", "-n"], type=click.IntRange(min=0), metavar="N", help="Only the last N lines of each service."),
        click.Option(["--since"], type=options.Moment(), metavar="WHEN", help="Only what was written since: 10m, or RFC 3339."),
        click.Option(["--until"], type=options.Moment(), metavar="WHEN", help="Only what was written until then."),
        click.Option(["--grep"], metavar="TEXT", help="Only lines in which this text stands, literally."),
        click.Option(["--stream"], type=click.Choice(["out", "err"]), help="Only one of the two streams."),
        click.Option(["-t", "--timestamps"], is_flag=True, help="With the time of each line."),
        click.Option(["--raw"], is_flag=True, help="Let control sequences of services reach the terminal."),
    ],
    help="Show the output of services, merged in time order.\n\n"
    "In a pipe, the lines of one service come exactly as it wrote them; those of several as `name | line`.",
    examples=(
        "harness logs -f",
        "harness logs api --tail 20 -t",
        "harness logs --since 10m --grep timeout",
        "harness logs api > api.log",
    ),
)
