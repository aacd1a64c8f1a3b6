"""`harness logs`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import click

from harness_core.cli import options
from harness_core.cli.failures import UsageFault
from harness_core.cli.follow import log_batches
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.loglines import PATIENCE, LogLines, LogStyle, complaint
from harness_core.cli.session import Session, pass_session
from harness_core.cli.sieve import Item, LastLines, Sieve
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
    if since is not None and until is not None and _moment(since) > _moment(until):
        raise UsageFault("nothing can be later than --since and earlier than --until", hint="--since is the earlier one")
    project, names = session.project(), options.names(services)
    request = ReadLogs(project=project, services=names, since=since, until=until, tail=tail, follow=follow)
    output = session.output
    prefixed = len(services) != 1
    style = LogStyle(
        prefixed=prefixed,
        terminal=output.terminal,
        coloured=output.colours(output.stdout),
        timestamps=timestamps,
        raw=raw,
        whole=grep is not None,
        width=_widest(session, request) if prefixed and output.terminal else 0,
    )
    _show(session, _wanted(session, request, Sieve(grep=grep, stream=stream), sifted=bool(grep or stream)), LogLines(style))


def _show(session: Session, batches: Iterator[list[Item]], lines: LogLines) -> None:
    output = session.output
    try:
        for items in batches:
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


def _wanted(session: Session, request: ReadLogs, sieve: Sieve, *, sifted: bool) -> Iterator[list[Item]]:
    """Batches of what was asked for."""
    if request.tail is not None and (sifted or request.until is not None):
        # The last lines of those that are wanted: which these are is known only after having looked at all.
        last, request = _last_lines(session, request, sieve)
        yield last
        if not request.follow:
            return
    until = None if request.until is None else _moment(request.until)
    for items in log_batches(session, request):
        passed: list[Item] = []
        for item in items:
            passed += sieve.take(item) if item["type"] == "log" else [item]
        yield passed + sieve.rest(older_than=PATIENCE)
        if until is not None and request.follow and datetime.now(UTC) > until:
            break
    yield sieve.rest()


def _last_lines(session: Session, request: ReadLogs, sieve: Sieve) -> tuple[list[Item], ReadLogs]:
    """The last lines that pass, and the request for what comes after all that was looked at."""
    last = LastLines(request.tail or 0)
    stream = session.client().stream(request.but(tail=None, follow=False))
    for item in stream:
        if item["type"] == "log":
            last.take(sieve.take(item))
    last.take(sieve.rest())
    return last.items(), request.but(tail=None, cursors=stream.result["cursors"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _widest(session: Session, request: ReadLogs) -> int:
    """How wide the names are that may come."""
    from harness_core.protocol import StatusOfServices

    status = session.call(StatusOfServices(project=request.project, services=request.services))
    return max((len(service["name"]) for service in status["services"]), default=0)


command = HarnessCommand(
    "logs",
    callback=logs,
    params=[
        options.services(),
        options.follow(),
        click.Option(
            ["--tail", "-n"], type=click.IntRange(min=0), metavar="N", help="Only the last N of these lines of each service."
        ),
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
