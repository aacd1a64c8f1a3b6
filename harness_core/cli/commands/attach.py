"""`harness attach`."""

from __future__ import annotations

import click

from harness_core.cli import options
from harness_core.cli.detach_keys import DEFAULT, parse
from harness_core.cli.failures import UsageFault
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session


@pass_session
def attach(session: Session, service: str, stdin: bool, detach_keys: str, tail: int) -> int:
    """Be at the terminal of a service."""
    from harness_core.cli.interactive import Onlooker
    from harness_core.cli.terminal import Terminal
    from harness_core.protocol import AttachService

    try:
        detach = parse(detach_keys)
    except ValueError as e:
        raise UsageFault(f"--detach-keys: {e}") from None
    request = AttachService(project=session.project(), service=service, tail=tail)
    terminal = Terminal()
    stdin = stdin and terminal.hears
    return Onlooker(session, request, terminal=terminal, keys=detach_keys, detach=detach, stdin=stdin).run()


command = HarnessCommand(
    "attach",
    callback=attach,
    params=[
        options.service(),
        click.Option(
            ["--stdin/--no-stdin"], default=True, help="Send what is typed, to a service with `stdin` or `tty`; or only look."
        ),
        click.Option(
            ["--detach-keys"],
            metavar="KEYS",
            default=DEFAULT,
            show_default=True,
            help="What lets go of a service with a terminal.",
        ),
        click.Option(
            ["-n", "--tail"],
            type=click.IntRange(min=0),
            metavar="N",
            default=10,
            show_default=True,
            help="First the last N lines.",
        ),
    ],
    help="See what a service writes, byte by byte, and type into it.\n\n"
    "Takes keys where the service has `stdin: true` or `tty: true`. Detaching leaves it running: Ctrl-P Ctrl-Q with a terminal "
    "(Ctrl-C goes to the service), Ctrl-C without. When the service ends, this exits with its code.",
    examples=("harness attach console", "harness attach --no-stdin worker", "harness attach repl --detach-keys ctrl-x,d"),
)
