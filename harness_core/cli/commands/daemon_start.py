"""`harness daemon start`."""

from __future__ import annotations

import os
import sys

import click

from harness_core import client, paths
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import DaemonStatus


class HostAndPort(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """Where to listen, as `HOST:PORT`."""

    name = "host:port"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The same text, once it is known to be one."""
        host, _, port = value.rpartition(":")
        if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
            self.fail(f"'{value}' is not HOST:PORT, such as 127.0.0.1:7070 or [::1]:7070", param, ctx)
        return value


@pass_session
def start(session: Session, foreground: bool, listen: str | None) -> None:
    """Start the daemon."""
    arguments = ("--listen", listen) if listen else ()
    if foreground:
        # Becomes the daemon: signals and exit code are its own, as a service manager wants it.
        directory = session.state_dir
        paths.ensure_state_dir(directory)
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "harness_core.daemon", "--foreground", *arguments])
    started = _start(session, arguments)
    status = session.call(DaemonStatus())
    if session.settings.json:
        session.output.json({"started": started, **status})
        return
    word = "started" if started else "already running"
    session.output.say(f"daemon {word}: pid {status['pid']}, {status['address']}")
    if not started and listen and status["address"] != listen:
        session.output.warn(f"it listens on {status['address']}, not on {listen}; `harness daemon stop` ends it")


def _start(session: Session, arguments: tuple[str, ...]) -> bool:
    """Whether a daemon had to be started; afterwards one runs, and the session is connected to it."""
    from harness_core import summon
    from harness_core.transport import Unreachable

    try:
        session.client(start=False)
        return False
    except Unreachable:
        started: list[bool] = []
        directory = session.state_dir
        summon.summon(
            directory,
            connect=lambda: client.connect(directory, start=False),
            on_start=lambda: started.append(True),
            arguments=arguments,
        ).close()
        return bool(started)


command = HarnessCommand(
    "start",
    callback=start,
    params=[
        click.Option(["--foreground"], is_flag=True, help="Stay in the foreground and log to the terminal."),
        click.Option(
            ["--listen"], type=HostAndPort(), metavar="HOST:PORT", help="Where to listen; default: loopback and a free port."
        ),
    ],
    help="Start the daemon, which otherwise starts by itself when it is needed.\n\n"
    "Started like this, it stays when there is nothing to do.",
    examples=("harness daemon start", "harness daemon start --foreground", "harness daemon start --listen 127.0.0.1:7070"),
)
