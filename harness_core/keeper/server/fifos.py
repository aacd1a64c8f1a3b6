"""Where the output FIFOs stand: in memory where that can be had, since making a file on a disk is slower than a spawn."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat

SHARED_MEMORY = "/dev/shm"


def folder(state_dir: str) -> str:
    """A private folder for the FIFOs of one keeper, the same for whoever comes after it."""
    name = "harness-%d-%s" % (os.geteuid(), hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:12])
    for path in (os.path.join(SHARED_MEMORY, name), os.path.join(state_dir, "fifos")):
        with contextlib.suppress(OSError):
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)
            # Anybody may make names in shared memory: only a real folder of our own is taken.
            about = os.lstat(path)
            private = stat.S_ISDIR(about.st_mode) and not stat.S_IMODE(about.st_mode) & 0o077
            if private and about.st_uid == os.geteuid() and os.access(path, os.W_OK):
                return path
    return state_dir


def make(path: str) -> None:
    """A new FIFO of that name."""
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        os.unlink(path)  # of a run whose state folder was removed by hand
        os.mkfifo(path, 0o600)
    except FileNotFoundError:
        # At logout a system may tidy shared memory under our feet.
        os.mkdir(os.path.dirname(path), 0o700)
        os.mkfifo(path, 0o600)


def remove_folder(path: str) -> None:
    """Remove the folder when no FIFO is left in it."""
    with contextlib.suppress(OSError):
        os.rmdir(path)


def reopen(path: str, pid: int, number: int) -> int:
    """The reading end of a FIFO again: by name, or from the process that holds it if somebody tidied the name away."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        held = "/proc/%d/fd/%d" % (pid, number)
        if not stat.S_ISFIFO(os.stat(held).st_mode):
            raise
        return os.open(held, flags)
