"""`harness daemon stop`."""

from __future__ import annotations

import time

import click

from harness_core import paths
from harness_core.cli.failures import ExitCode
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.progress import await_outcome
from harness_core.cli.session import Session, pass_session
from harness_core.cli.words import plural
from harness_core.client import Client, VersionMismatch
from harness_core.contracts.errors import HarnessError
from harness_core.protocol import StopDaemon
from harness_core.summon import dismiss
from harness_core.transport import ConnectionLost, Unreachable

_PATIENCE = 10.0


class StillThere(HarnessError):
    """The daemon said that it would end, and did not."""

    kind = "request.timeout"


@pass_session
def stop(session: Session, services: bool) -> int:
    """End the daemon."""
    output = session.output
    client: Client | None
    try:
        client = session.client(start=False)
    except Unreachable:
        if session.settings.json:
            output.json({"stopped": False, "already": True, "running": None})
        else:
            output.say("no daemon runs: nothing to stop")
        return ExitCode.REACHED
    except VersionMismatch:
        if services:
            raise  # only a client that it understands can ask for that
        client = None
    running: int | None = None
    info = paths.read_daemon_file(session.state_dir)
    try:
        if client is None:
            dismiss(session.state_dir)
        else:
            running = await_outcome(client, StopDaemon(services=services), output).get("running")
    except ConnectionLost:
        output.detail("it hung up before it answered")  # it ends either way: that is looked at below
    deadline = time.monotonic() + _PATIENCE
    while info is not None and paths.alive(info):
        if time.monotonic() > deadline:
            raise StillThere(f"the daemon (pid {info.pid}) has not ended within {_PATIENCE:g} s", hint=f"kill {info.pid}")
        time.sleep(0.02)
    if session.settings.json:
        output.json({"stopped": True, "already": False, "running": running})
    else:
        output.say("daemon stopped" + _what_stays(running))
    return ExitCode.REACHED


def _what_stays(running: int | None) -> str:
    """None: nobody could say how many."""
    if running is None:
        return "; what ran runs on"
    return f"; {plural(running, 'service')} run{'s' if running == 1 else ''} on" if running else "; nothing runs"


command = HarnessCommand(
    "stop",
    callback=stop,
    params=[click.Option(["--services"], is_flag=True, help="Stop all services of all projects first.")],
    help="End the daemon. Services run on; the next command starts a daemon that takes them over.",
    examples=("harness daemon stop", "harness daemon stop --services"),
)
