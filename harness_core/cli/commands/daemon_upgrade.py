"""`harness daemon upgrade`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from harness_core import paths
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session
from harness_core.cli.words import plural
from harness_core.client import RemoteError, VersionMismatch, connect, connect_running
from harness_core.contracts.errors import HarnessError
from harness_core.installation import Installation, UpgradeRefused, examine, ours
from harness_core.protocol import UpgradeDaemon
from harness_core.summon import alone, dismiss, last_words, start_daemon
from harness_core.transport import Unreachable

_PATIENCE = 30.0


class UpgradeFailed(HarnessError):
    """The old daemon is gone and the new one did not come up; services run on."""

    kind = "upgrade.failed"


@pass_session
def upgrade(session: Session, from_here: bool) -> None:
    """Replace daemon and keeper."""
    began = time.monotonic()
    # None: where the daemon itself was started from, as it is installed there now.
    to = ours() if from_here else None
    try:
        reply = _upgraded(session, to)
    except (VersionMismatch, RemoteError) as e:
        if isinstance(e, RemoteError) and e.kind != "request.unknown-method":
            raise
        session.output.say(f"{e.message}: it is ended, and one of this release started in its place")
        _replace_by_hand(session)
        reply = _upgraded(session, to)
    if session.settings.json:
        session.output.json({"upgraded": True, **reply, "seconds": round(time.monotonic() - began, 3)})
        return
    before, after, keeper = reply["from"], reply["to"], reply["keeper"]
    session.output.say(f"daemon upgraded: {before['version']} ({before['prefix']}) → {after['version']} ({after['prefix']})")
    word = "none runs" if keeper["pid"] is None else "replaced" if keeper["replaced"] else "has that code already"
    session.output.say(f"keeper: {keeper['note'] or word}; {plural(reply['running'], 'service')} untouched")


def _upgraded(session: Session, to: Installation | None) -> dict[str, Any]:
    """The daemon's reply, once another daemon than the one that gave it answers."""
    directory = session.state_dir
    connect(
        directory, start=True, on_start=lambda: session.output.say("no daemon runs yet: starting one"),
        on_warning=session.output.detail,  # of another release: that is why we are here
    ).close()  # fmt: skip
    # Nobody else starts a daemon, of whatever release, or upgrades it, while this one is between two.
    with alone(directory), connect_running(directory) as client:
        epoch, info = client.hello["epoch"], paths.read_daemon_file(directory)
        arguments = _arguments_of(info)
        stream = client.stream(UpgradeDaemon(**asdict(to)) if to is not None else UpgradeDaemon())
        for item in stream:
            if item["type"] == "progress":
                session.output.detail(item["detail"])
        reply: dict[str, Any] = stream.result
        if not _comes_back(directory, epoch=epoch, info=info):
            old = Installation(*(reply["from"][name] for name in ("python", "folder", "pythonpath")))
            raise _failed(directory, old, arguments, to)
    return reply


def _comes_back(directory: Path, *, epoch: str, info: paths.DaemonInfo | None) -> bool:
    """Whether another daemon than the one of `epoch` answers; False: its process has ended."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with connect_running(directory) as client:
                if client.hello["epoch"] != epoch:
                    return True
        except Unreachable:
            if info is not None and not paths.alive(info):
                return False
        if time.monotonic() > deadline:
            hint = "`harness daemon logs` tells what it is doing; services run on"
            raise UpgradeFailed(f"the new daemon does not answer after {_PATIENCE:g} s", hint=hint)
        time.sleep(0.05)


def _failed(directory: Path, old: Installation, arguments: list[str], to: Installation | None) -> UpgradeFailed:
    """What to say of a new daemon that died; where the old code is still there, its daemon runs again."""
    message = f"the new daemon ended at once: {last_words(directory)}"
    if to is None or to == old:
        return UpgradeFailed(message, hint="services run on; install the release that was there, then: harness daemon start")
    if "--foreground" in arguments:
        return UpgradeFailed(message, hint="services run on; whoever had started it in the foreground has to start it again")
    try:
        start_daemon(directory, arguments=arguments, installation=old)
    except Unreachable as e:
        return UpgradeFailed(message, hint=f"services run on; the old one did not start again either: {e.message}")
    return UpgradeFailed(message, hint=f"the daemon of {old.folder} runs again, and services were not touched")


def _replace_by_hand(session: Session) -> None:
    """End a daemon that can't be asked, and start one of ours with the arguments that it had."""
    directory = session.state_dir
    session.close()
    info = paths.read_daemon_file(directory)
    with alone(directory):
        examine(ours(), directory)
        arguments = _arguments_of(info)
        if "--foreground" in arguments:
            raise UpgradeRefused(
                "the daemon runs in the foreground of whoever started it, and is too old to become other code",
                hint="end it and start it again there; services run on",
            )
        dismiss(directory)
        deadline = time.monotonic() + _PATIENCE
        while info is not None and paths.alive(info):
            if time.monotonic() > deadline:
                raise UpgradeFailed(f"the daemon (pid {info.pid}) has not ended", hint=f"kill {info.pid}, and try again")
            time.sleep(0.02)
        start_daemon(directory, arguments=arguments)


def _arguments_of(info: paths.DaemonInfo | None) -> list[str]:
    """What a daemon was started with, without what belonged to that start alone."""
    try:
        words = Path(f"/proc/{info.pid if info else 0}/cmdline").read_text(errors="surrogateescape").split("\0")[:-1]
        words = words[words.index("harness_core.daemon") + 1 :]
    except (OSError, ValueError):
        return ["--on-demand"]
    for once in ("--ready-fd", "--inherit"):
        if once in words:
            del words[words.index(once) : words.index(once) + 2]
    return words


command = HarnessCommand(
    "upgrade",
    callback=upgrade,
    params=[
        click.Option(
            ["--from-here"], is_flag=True, help="Take the harness and the plugins of the environment that this command is from."
        )
    ],
    help="Replace daemon and keeper by the harness that is installed now; services run on.\n\n"
    "Run it after `pip install -U`: by default the daemon stays in its own environment and becomes what is installed there. "
    "The new code is tried first, and nothing is touched if it can't take over, lacks a plugin that services need, or can't "
    "read what is remembered. `logs -f`, `events -f`, `status --watch` and `up` go on by themselves.",
    examples=("harness daemon upgrade", "harness daemon upgrade --from-here", "harness daemon upgrade --json"),
)
