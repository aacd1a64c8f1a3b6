"""Starting a daemon where none runs: one at a time, in the background, with its cause told when it fails."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness_core import paths
from harness_core.contracts.errors import HarnessError
from harness_core.installation import Installation, ours
from harness_core.transport import Unreachable

if TYPE_CHECKING:
    from harness_core.client import Client

START_TIMEOUT = 30.0
"""Seconds until a daemon must be ready; it may have a thousand services to adopt."""
COMPLAINTS = "daemon.start"


class StartFailed(Unreachable):
    """The daemon did not start; the message says why."""


def summon(
    directory: Path,
    *,
    connect: Callable[[], Client],
    on_start: Callable[[], None] | None = None,
    arguments: Sequence[str] = ("--on-demand",),
) -> Client:
    """A client of a daemon that this call, or another process at the same time, has started."""
    paths.ensure_state_dir(directory)
    with alone(directory):
        with contextlib.suppress(Unreachable):
            return connect()  # somebody else has started one while we waited
        _refuse_stuck(directory)
        if on_start is not None:
            on_start()
        start_daemon(directory, arguments=arguments)
        return connect()


def start_daemon(directory: Path, *, arguments: Sequence[str] = (), installation: Installation | None = None) -> None:
    """Start a daemon in the background, by default of this code; returns once it is ready. Raises StartFailed with the cause."""
    installation = installation or ours()
    paths.ensure_state_dir(directory)
    complaints = directory / COMPLAINTS
    reading, writing = os.pipe()
    try:
        with open(os.open(complaints, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w+b") as stderr:
            subprocess.run(  # it forks, and its first process ends at once: nobody has to wait for the daemon's end
                installation.command("--ready-fd", str(writing), *arguments),
                env=installation.environ(os.environ) | {"HARNESS_STATE_DIR": str(directory)},
                # The very code that is meant, also where the working directory holds a folder of that name.
                cwd=installation.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=(writing,),
                start_new_session=True,
                check=False,
                timeout=START_TIMEOUT,
            )
    except (OSError, subprocess.TimeoutExpired) as e:
        os.close(reading)
        raise StartFailed(f"the daemon could not be started with {installation.python}: {e}") from e
    finally:
        os.close(writing)
    with open(reading, "rb") as ready:
        _await_ready(ready.fileno(), directory)


def dismiss(directory: Path) -> bool:
    """Tell the daemon to end by a signal, for when it speaks another protocol; False: none lives. Services run on."""
    info = paths.read_daemon_file(directory)
    if info is None:
        return False
    try:
        process = os.pidfd_open(info.pid)
    except ProcessLookupError:
        return False
    try:
        # Looked at after the handle was taken: whatever has the pid now keeps it until the signal is sent.
        if not paths.alive(info):
            return False
        signal.pidfd_send_signal(process, signal.SIGTERM)
        return True
    finally:
        os.close(process)


def _await_ready(ready: int, directory: Path) -> None:
    """Wait for the word on the pipe: a line of JSON, or its end when the daemon died without one."""
    deadline = time.monotonic() + START_TIMEOUT
    said = b""
    while not said.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([ready], [], [], left)[0]:
            raise StartFailed(
                f"the daemon is not ready after {START_TIMEOUT:g} s",
                hint="`harness daemon logs` tells what it is doing; try again",
            )
        data = os.read(ready, 65536)
        if not data:
            hint = f"all it said is in {directory / COMPLAINTS}"
            raise StartFailed(f"the daemon did not start: {last_words(directory)}", hint=hint)
        said += data
    word = json.loads(said)
    if word.get("error"):
        error = StartFailed(f"the daemon did not start: {word['error']['message']}", hint=word["error"]["hint"])
        error.kind = word["error"]["kind"]
        raise error


def last_words(directory: Path) -> str:
    """The last that the daemon said before it could write its log, or as it died."""
    lines = (directory / COMPLAINTS).read_text(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it ended without a word"


def _refuse_stuck(directory: Path) -> None:
    """Raise when the daemon that does not answer still lives: a second one could not do better."""
    info = paths.read_daemon_file(directory)
    if info is not None and paths.alive(info):
        raise Unreachable(
            f"the daemon (pid {info.pid}) lives but does not answer at {info.address}",
            hint=f"is it stopped or very busy? `kill -CONT {info.pid}`, or end it with `kill {info.pid}` (services run on)",
        )


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Be the only one who starts a daemon here; waits for another who does."""
    deadline = time.monotonic() + START_TIMEOUT
    path = directory / "summon.lock"
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise HarnessError(f"somebody else has been starting a daemon for {START_TIMEOUT:g} s") from None
                time.sleep(0.02)
        yield
