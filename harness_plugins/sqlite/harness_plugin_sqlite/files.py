"""The registry's files in their folder: made private and whole, moved aside when damaged. Never opened here once in use."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from harness_core.contracts import Full, RegistryError, Unavailable

BESIDE = ("-wal", "-shm")
"""What sqlite adds to the file's name: its write-ahead log, and that log's index."""

TICK = 0.1
"""Seconds, well above the step of any file system's times."""


def make_if_missing(path: Path, fill: Callable[[Path], None]) -> None:
    """The file is there afterwards, filled, of mode 0600, in a folder of mode 0700 if that had to be made."""
    with _explained(path):
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            folder.mkdir(mode=0o700, exist_ok=True)
        with _locked(path.parent):
            if not path.exists():
                _make(path, fill)
        if not path.is_file():
            raise Unavailable(f"{path} is not a file", hint="choose another `path` for the registry")
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def move_aside(path: Path) -> Path | None:
    """Rename a damaged file with all that belongs to it; where it is now, None when there is none."""
    aside = path.with_name(f"{path.name}.corrupt-{timestamp()}")
    moved = False
    with _explained(path), _locked(path.parent):
        for suffix in (*BESIDE, ""):
            # The log keeps a name that sqlite finds, so that whoever looks into the file still has all of it.
            with suppress(FileNotFoundError):
                os.rename(f"{path}{suffix}", f"{aside}{suffix}")
                moved = True
    return aside if moved else None


def identity(path: Path) -> tuple[int, int] | None:
    """Which file has this name now; None when there is none."""
    found = _stat(f"{path}")
    return (found.st_dev, found.st_ino) if found else None


def fingerprint(path: Path) -> object:
    """Another value whenever somebody has written to the file or to its log, as far as the file system tells."""
    return [
        (found.st_ino, found.st_size, found.st_mtime_ns) if found else None for found in (_stat(f"{path}"), _stat(f"{path}-wal"))
    ]


def just_written(path: Path) -> bool:
    """Whether the file or its log was written so short ago that one more write may leave the same fingerprint.

    Times of files move in steps of some milliseconds, and a log that is begun anew keeps its size.
    """
    newest = max((found.st_mtime for found in (_stat(f"{path}"), _stat(f"{path}-wal")) if found), default=0.0)
    return abs(time.time() - newest) < TICK


def make_private(path: Path) -> None:
    """A new empty file that only we may read, before anything is in it."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def timestamp() -> str:
    """The time as a part of a file's name."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _make(path: Path, fill: Callable[[Path], None]) -> None:
    # Under another name until it is filled: an empty file under the real one means that something cut it off.
    new = path.with_name(f"{path.name}.new")
    # The log of a file that somebody deleted would be read into the new one.
    for leftover in (new, *(Path(f"{name}{suffix}") for name in (path, new) for suffix in (*BESIDE, "-journal"))):
        leftover.unlink(missing_ok=True)
    make_private(new)
    fill(new)
    new.rename(path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    # Of two processes that start at once, one makes the file. The lock is the folder's, never the file's.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _explain(error, path) from error


def _explain(error: OSError, path: Path) -> RegistryError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Full(f"no room left to make {path}", hint=f"free some space on the disk of {path.parent}")
    place = error.filename if isinstance(error.filename, str) else path
    hint = f"make {place} writable for user {os.geteuid()}, or choose another `path` for the registry"
    return Unavailable(f"cannot use {path}: {error.strerror}: {place}", hint=hint)
