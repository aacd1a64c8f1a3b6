"""`harness exec`."""

from __future__ import annotations

import os
from typing import Any

import click

from harness_core.cli import options
from harness_core.cli.failures import NoSuchCommand, UsageFault
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session


@pass_session
def execute(
    session: Session,
    service: str,
    command: tuple[str, ...],
    tty: bool | None,
    stdin: bool,
    env: tuple[str, ...],
    working_dir: str | None,
) -> int:
    """Run a command inside a service."""
    from harness_core.cli.interactive import Inside
    from harness_core.cli.terminal import Terminal
    from harness_core.client import RemoteError
    from harness_core.protocol import OpenExec

    if not command:
        raise UsageFault(
            "no command is given", hint=f"harness exec {service} -- COMMAND…, for example: harness exec {service} -- sh"
        )
    terminal = Terminal()
    if tty is None:
        tty = terminal.is_one and terminal.shows and not session.settings.json
    variables = _variables(env)
    if tty and "TERM" in os.environ:
        variables.setdefault("TERM", os.environ["TERM"])
    rows, columns = terminal.size
    request = OpenExec(
        project=session.project(), service=service, command=command, env=variables, cwd=working_dir,
        stdin=stdin and terminal.hears, tty=tty,
        rows=rows, columns=columns,
    )  # fmt: skip
    try:
        return Inside(session, request, terminal=terminal).run()
    except RemoteError as e:
        if e.kind == "launch.command-not-found":
            raise NoSuchCommand(e.message, hint=e.hint) from e
        raise


def _variables(written: tuple[str, ...]) -> dict[str, str]:
    variables = {}
    for word in written:
        name, equals, value = word.partition("=")
        if not name:
            raise UsageFault(f"-e {word!r} names no variable", hint="-e NAME=VALUE, or -e NAME to pass on the one from here")
        if not equals:
            if name not in os.environ:
                continue  # as it is not here, so not there
            value = os.environ[name]
        variables[name] = value
    return variables


class ExecCommand(HarnessCommand):
    """What follows the service's name belongs to the command inside, with `--` in between or without."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Options of ours may stand on both sides of SERVICE if `--` ends them; without it the command begins right after."""
        ctx.allow_interspersed_args = self._ends_with_dashes(ctx, args)
        return super().parse_args(ctx, args)

    def _ends_with_dashes(self, ctx: click.Context, args: list[str]) -> bool:
        if "--" not in args:
            return False
        before: list[str] = args[: args.index("--")]
        ctx.allow_interspersed_args = True
        try:
            found, _, _ = self.make_parser(ctx).parse_args(args=list(before))
        except click.UsageError:
            return False  # an option of the command inside: its own `--` comes later
        words = found.get("command")  # none: an empty tuple or, in newer versions of click, a mark
        return isinstance(found.get("service"), str) and not (isinstance(words, tuple | list) and words)


def _command_argument() -> click.Argument:
    return click.Argument(["command"], metavar="[--] COMMAND [ARG]...", nargs=-1, type=click.UNPROCESSED)


_PARAMS: list[Any] = [
    options.service(),
    _command_argument(),
    click.Option(
        ["-t/-T", "--tty/--no-tty"],
        default=None,
        help="Give it a terminal, or not; default: when there is one on both sides here.",
    ),
    click.Option(
        ["-i", "--interactive/--no-stdin", "stdin"], default=True, help="Pass standard input on, which is the default, or not."
    ),
    click.Option(["-e", "--env"], metavar="NAME[=VALUE]", multiple=True, help="A variable for it, over those of the service."),
    click.Option(["-w", "--working-dir"], metavar="FOLDER", help="Where it runs; default: where the service does."),
]

command = ExecCommand(
    "exec",
    callback=execute,
    params=_PARAMS,
    help="Run a command inside a running service: in its place, behind its layers, with its environment.\n\n"
    "Exits with the command's own code, 128+n for a signal. Ctrl-C goes to the command; nothing of it stays behind.",
    examples=(
        "harness exec db -- psql -c 'select 1'",
        "harness exec -it api bash",
        "harness exec -T -e LEVEL=debug api -- env < /dev/null",
        "harness exec db -- pg_dump shop > shop.sql",
    ),
)
