"""What the keeper asks of Linux beyond ``os``: system calls, and facts from /proc."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import os
import signal
import struct

PR_SET_CHILD_SUBREAPER = 36
SYS_PIDFD_SEND_SIGNAL, SYS_PIDFD_OPEN = 424, 434
# _IOWR(0xFF, 11, struct pidfd_info of its first, 64-byte version)
PIDFD_GET_INFO = 3 << 30 | 64 << 16 | 0xFF << 8 | 11
PIDFD_INFO_EXIT = 8

_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Orphans of our descendants become our children instead of process 1's."""
    _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def pidfd_open(pid: int) -> int:
    """A handle of a process that its pid's next owner can never be mistaken for."""
    return _check(_libc.syscall(SYS_PIDFD_OPEN, pid, 0))


def pidfd_send_signal(pidfd: int, number: int) -> None:
    """Signal the process behind a handle; ProcessLookupError when it is gone."""
    _check(_libc.syscall(SYS_PIDFD_SEND_SIGNAL, pidfd, number, None, 0))


def pidfd_exit_status(pidfd: int) -> tuple[bool, int | None]:
    """Whether the kernel can tell how a process that is not our child ended (6.15 and later), and its wait status.

    It tells once the process was reaped by its own parent; until then the status is None.
    """
    try:
        info = fcntl.ioctl(pidfd, PIDFD_GET_INFO, struct.pack("<Q56x", PIDFD_INFO_EXIT))
    except OSError as error:
        return error.errno == errno.ESRCH, None  # ESRCH: between its death and its reaping
    told: int = struct.unpack_from("<Q", info)[0]
    if told & PIDFD_INFO_EXIT:
        return True, int(struct.unpack_from("<i", info, 60)[0])
    return _tells_exits(), None


def zombie_exit_status(pid: int, ticks: int) -> int | None:
    """The wait status of a dead process that its parent has not reaped yet; None where it is not ours to see."""
    try:
        # To others than its owner the kernel shows 0 here, which would read as success.
        if os.stat("/proc/%d" % pid).st_uid != os.geteuid():
            return None
        fields = stat_fields(pid)
    except OSError:
        return None
    return int(fields[49]) if fields[0] == b"Z" and int(fields[19]) == ticks else None


@functools.lru_cache(maxsize=None)
def _tells_exits() -> bool:
    release = os.uname().release.split("-")[0].split(".")
    return [int(part) for part in release[:2] if part.isdigit()] >= [6, 15]


def code_and_signal(status: int) -> tuple[int | None, str | None]:
    """A wait status as exit code or signal name."""
    if os.WIFSIGNALED(status):
        return None, signal_name(os.WTERMSIG(status))
    return os.WEXITSTATUS(status), None


def signal_name(number: int) -> str:
    """``TERM`` for 15; real-time signals by their number."""
    try:
        return signal.Signals(number).name[3:]
    except ValueError:
        return str(number)


def signal_number(name: str) -> int | None:
    """15 for ``TERM`` and ``SIGTERM``; None for what is no signal."""
    upper = name.upper()
    found = getattr(signal, upper if upper.startswith("SIG") else "SIG" + upper, None)
    return int(found) if isinstance(found, signal.Signals) else None


def boot_id() -> str:
    """What changes with every boot of this machine."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def stat_fields(pid: int | str) -> list[bytes]:
    """/proc/PID/stat: [0] state, [1] parent, [2] group, [3] session, [11] utime, [12] stime, [19] start, [21] rss."""
    fd = os.open("/proc/%s/stat" % pid, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(fd, 1024)
    finally:
        os.close(fd)
    return data[data.rindex(b")") + 2 :].split()


def start_ticks(pid: int) -> int:
    """When the process started, in ticks since boot: with the boot id it tells a pid's owners apart."""
    return int(stat_fields(pid)[19])


def error_name(error: OSError) -> str:
    """``EMFILE`` and the like."""
    return errno.errorcode.get(error.errno or 0, str(error.errno))


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
