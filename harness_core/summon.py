"""Starting a daemon where none runs: one at a time, in the background, with its cause told when it fails."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import harness_core
from harness_core import paths
from harness_core.contracts.errors import HarnessError
from harness_core.transport import Unreachable

if TYPE_CHECKING:
    from harness_core.client import Client

START_TIMEOUT = 30.0
"""Seconds until a daemon must be ready; it may have a thousand services to adopt."""


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
    with _alone(directory):
        with contextlib.suppress(Unreachable):
            return connect()  # somebody else has started one while we waited
        _refuse_stuck(directory)
        if on_start is not None:
            on_start()
        start_daemon(directory, arguments=arguments)
        return connect()


def start_daemon(directory: Path, *, arguments: Sequence[str] = ()) -> None:
    """Start a daemon in the background; returns once it is ready. Raises StartFailed with the cause."""
    paths.ensure_state_dir(directory)
    complaints = directory / "daemon.start"
    reading, writing = os.pipe()
    try:
        with open(os.open(complaints, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w+b") as stderr:
            subprocess.run(  # it forks, and its first process ends at once: nobody has to wait for the daemon's end
                [sys.executable, "-m", "harness_core.daemon", "--ready-fd", str(writing), *arguments],
                env={**os.environ, "HARNESS_STATE_DIR": str(directory)},
                # The very code that runs here, also where the working directory holds a folder of that name.
                cwd=Path(harness_core.__file__).parents[1],
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
        raise StartFailed(f"the daemon could not be started with {sys.executable}: {e}") from e
    finally:
        os.close(writing)
    with open(reading, "rb") as ready:
        _await_ready(ready.fileno(), complaints)


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


def _await_ready(ready: int, complaints: Path) -> None:
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
            raise StartFailed(f"the daemon did not start: {_last_words(complaints)}", hint=f"all it said is in {complaints}")
        said += data
    word = json.loads(said)
    if word.get("error"):
        error = StartFailed(f"the daemon did not start: {word['error']['message']}", hint=word["error"]["hint"])
        error.kind = word["error"]["kind"]
        raise error


def _last_words(complaints: Path) -> str:
    lines = complaints.read_text(errors="replace").strip().splitlines()
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
def _alone(directory: Path) -> Iterator[None]:
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
