"""Find the keeper of this machine, or start it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

from harness_core.keeper.client import Client
from harness_core.keeper.errors import LinkLost, StartFailed
from harness_core.keeper.link import ByteReader, ByteWriter

SOCKET = "keeper.sock"
START_TIMEOUT = 10.0
LOCKED = 3
FRAMES = 1 << 20
ATTEMPTS = 3


async def ensure_local(
    state_dir: str | os.PathLike[str],
    *,
    name: str,
    python: str | None = None,
    patience: float = 5.0,
    timeout: float = 10.0,
) -> Client:
    """A connected client of the one keeper of ``state_dir``, started when none answers.

    When that keeper dies, the client starts another, which adopts what runs; calls wait ``patience`` seconds for it.
    """
    folder = _absolute(state_dir)

    async def open_stream() -> tuple[ByteReader, ByteWriter]:
        return await _connect_or_start(folder, python or sys.executable)

    for attempt in range(ATTEMPTS):
        client = Client(open_stream, name=name, state_dir=folder, patience=patience, timeout=timeout)
        try:
            await client.connect(timeout=timeout + START_TIMEOUT)
            break
        except LinkLost:
            if attempt == ATTEMPTS - 1:
                raise  # else: who answered was about to end, and the next attempt starts another
    return client


async def connect_local(state_dir: str | os.PathLike[str]) -> tuple[ByteReader, ByteWriter]:
    """A stream to the keeper of ``state_dir``; OSError when none answers. Nothing is started."""
    # A unix socket's path has 107 bytes; through the folder's handle every folder is near enough.
    folder = os.open(os.fspath(state_dir), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return await asyncio.open_unix_connection("/proc/self/fd/%d/%s" % (folder, SOCKET), limit=FRAMES)
    finally:
        os.close(folder)


def _absolute(state_dir: str | os.PathLike[str]) -> str:
    return os.path.abspath(os.fspath(state_dir))


async def _connect_or_start(folder: str, python: str) -> tuple[ByteReader, ByteWriter]:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        # Whether a keeper lives is answered by connecting, never by a file: a stale socket or lock means nothing.
        try:
            return await connect_local(folder)
        except (ConnectionRefusedError, FileNotFoundError, NotADirectoryError):
            pass
        except PermissionError as error:
            raise StartFailed(f"the keeper's folder {folder} is not accessible: {error.strerror}") from None
        other = await asyncio.get_running_loop().run_in_executor(None, _start, folder, python)
        if other is not None:
            if time.monotonic() > deadline:
                raise StartFailed("%s, but it does not answer" % other)
            await asyncio.sleep(0.02)  # it may be on its way up


def _start(folder: str, python: str) -> str | None:
    """Start a keeper and return once it listens; who holds the lock when it is another's; raises StartFailed."""
    code = os.path.join(os.path.dirname(os.path.abspath(__file__)), "server")
    try:
        # It forks and its first process ends when the socket listens: no zombie, and its complaints are ours to tell.
        done = subprocess.run(
            [python, "-I", "-S", code, folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            timeout=START_TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise StartFailed(f"the keeper of {folder} did not come up within {START_TIMEOUT:g} s") from None
    except OSError as error:
        raise StartFailed(f"the keeper could not be started with {python}: {error.strerror}") from None
    if done.returncode == 0:
        return None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    cause = said[-1] if said else f"the keeper ended with status {done.returncode} before it listened"
    if done.returncode == LOCKED:
        return cause
    raise StartFailed(cause)
