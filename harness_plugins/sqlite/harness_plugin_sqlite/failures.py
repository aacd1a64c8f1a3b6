"""Failures: what sqlite says went wrong, as the registry's own errors."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness_core.contracts import Corrupt, Full, RegistryError, Unavailable

ROOM_NEEDED = 256 * 1024
"""Bytes below which an unexplained write error is taken for a full disk."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns sqlite's errors within the block into registry errors that name the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error


def explain(error: sqlite3.Error, path: Path) -> RegistryError:
    """The registry error for one of sqlite's."""
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL" or (name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")) and _is_full(path)):
        return Full(f"no room left to write {path}", hint=f"free some space on the disk of {path.parent}; nothing stored is lost")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or _is_nonsense(str(error)):
        return Corrupt(f"{path} is damaged: {error}")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable(f"{path} is locked by another process", hint="is a second daemon or a backup at work on it?")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_IOERR")):
        return Unavailable(f"cannot use {path}: {error}", hint=_permission_hint(path))
    return RegistryError(f"{path}: {error}")


def _is_full(path: Path) -> bool:
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < ROOM_NEEDED or (disk.f_files > 0 and disk.f_favail == 0)


def _is_nonsense(message: str) -> bool:
    # A header can be right while what it leads to is not; these have no error code of their own.
    return message.startswith(("Could not decode", "no such table", "no such column"))


def _permission_hint(path: Path) -> str:
    for place in (path, path.parent):
        if place.exists() and not os.access(place, os.R_OK | os.W_OK):
            return f"make {place} writable for user {os.geteuid()}, or choose another `path`"
    return f"check {path.parent}: it must be a writable folder on a local disk"
