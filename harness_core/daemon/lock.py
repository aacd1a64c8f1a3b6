"""One daemon per state directory: held as a lock on a file of its own, so that nothing stale can stand in the way."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from harness_core import paths
from harness_core.contracts.errors import HarnessError
from harness_core.private import StateUnwritable

ENDING = 3.0
"""Seconds that a daemon which is just ending may still hold the lock."""


class AlreadyRunning(HarnessError):
    """Another daemon serves this state directory; the message names its pid."""

    kind = "daemon.already-running"


@contextlib.contextmanager
def only_daemon(directory: Path, *, held: int | None = None) -> Iterator[int]:
    """Be the one daemon of a state directory; the lock's descriptor. Raises AlreadyRunning.

    `held`: the descriptor that the code before us left, which has the lock.
    """
    path = directory / "daemon.lock"
    try:
        # Not inherited by anybody: a child that held it would look like a daemon.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600) if held is None else held
    except OSError as e:
        hint = "make it writable, or set HARNESS_STATE_DIR to another folder"
        raise StateUnwritable(f"cannot write {path}: {e.strerror}", hint=hint) from e
    try:
        _take(descriptor, directory)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, directory: Path) -> None:
    deadline = time.monotonic() + ENDING
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            # Without daemon.json the holder is ending, or not yet ready: the first of these is worth a moment.
            if paths.read_daemon_file(directory) is not None or time.monotonic() > deadline:
                raise _running(descriptor, directory) from None
        time.sleep(0.02)


def _running(descriptor: int, directory: Path) -> AlreadyRunning:
    pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
    return AlreadyRunning(
        f"a daemon (pid {pid}) already serves {directory}",
        hint="one daemon holds all projects; `harness daemon status` shows it, `harness daemon stop` ends it",
    )
