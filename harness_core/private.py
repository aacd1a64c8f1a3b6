"""Files and folders that only their owner may touch: checked before use, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from harness_core.contracts.errors import HarnessError


class StateUnwritable(HarnessError):
    """Something under the state directory can't be written; the message names it and why."""

    kind = "state.unwritable"


class StateInsecure(HarnessError):
    """Something under the state directory belongs to somebody else, or others may touch it."""

    kind = "state.insecure"


def ensure_directory(path: Path) -> None:
    """Make `path` and its parents where missing (0700), and verify that it is ours alone."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise _unwritable(path, e) from e
    check(path, directory=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise StateUnwritable(f"{path} is not writable", hint=f"chmod u+rwx {path}, or set HARNESS_STATE_DIR to another folder")


def check(path: Path, *, directory: bool = False) -> None:
    """Verify that `path` is a plain file (or folder) of this user, closed to all others."""
    try:
        status = path.lstat()
    except OSError as e:
        raise _unwritable(path, e) from e
    wanted, word = (stat.S_ISDIR, "folder") if directory else (stat.S_ISREG, "file")
    if not wanted(status.st_mode):
        raise StateInsecure(f"{path} is not a plain {word}", hint=f"look at what it is, and move it away: ls -ld {path}")
    if status.st_uid != os.geteuid():
        raise StateInsecure(
            f"{path} belongs to user {status.st_uid}, not to you ({os.geteuid()})",
            hint="run as its owner, or set HARNESS_STATE_DIR to a folder of your own",
        )
    if status.st_mode & 0o077:
        raise StateInsecure(
            f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):04o})",
            hint=f"chmod {'700' if directory else '600'} {path}",
        )


def open_new(path: Path) -> int:
    """A descriptor of a file that did not exist before, 0600; raises FileExistsError when it does."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def replace(path: Path, data: bytes) -> None:
    """Write `path` anew, 0600: readers see the old content or the new one, also after a crash."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()  # of a process that had our pid and died
        descriptor = open_new(temporary)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as e:
        raise _unwritable(path, e) from e


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold `path` as a lock; waits for whoever holds it, who only ever does so for moments."""
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise _unwritable(path, e) from e
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> StateUnwritable:
    return StateUnwritable(
        f"cannot write {error.filename or path}: {error.strerror}",
        hint="make it writable, free some space, or set HARNESS_STATE_DIR to another folder",
    )
