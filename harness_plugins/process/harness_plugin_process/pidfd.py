"""A pidfd: a hold on one process that no other process can slip into, and what the kernel tells through it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import struct

# PIDFD_GET_INFO, Linux 6.13; the exit (PIDFD_INFO_EXIT) since 6.15, and only after the parent has reaped the process.
_GET_INFO = 3 << 30 | 64 << 16 | 0xFF << 8 | 11
_INFO_EXIT = 1 << 3
_STATUS_OFFSET = 60


async def readable(fd: int) -> None:
    """Return when the process has ended (or the fd has other news); the event loop waits, no thread does."""
    loop = asyncio.get_running_loop()
    news: asyncio.Future[None] = loop.create_future()

    def arrived() -> None:
        # Level triggered: without this the loop would spin until the waiter has run.
        loop.remove_reader(fd)
        if not news.done():
            news.set_result(None)

    loop.add_reader(fd, arrived)
    try:
        await news
    finally:
        loop.remove_reader(fd)


async def exit_status(fd: int, *, within: float) -> int | None:
    """The wait status of a process that has ended and is not our child; None where the kernel does not tell."""
    if not _kernel_tells(fd):
        return None
    # A pidfd is readable from the end on, but only its hang-up says that the parent has reaped and the status is known.
    # An epoll that asks for nothing reports just that.
    with select.epoll() as reaped:
        reaped.register(fd, 0)
        try:
            async with asyncio.timeout(within):
                await readable(reaped.fileno())
        except TimeoutError:
            return None
    return _ask(fd)


def _kernel_tells(fd: int) -> bool:
    try:
        _info(fd)
    except ProcessLookupError:  # reaped already: an answer that only a kernel that knows the question gives
        return True
    except OSError:
        return False
    return True


def _ask(fd: int) -> int | None:
    try:
        info = _info(fd)
    except OSError:
        return None
    if not struct.unpack_from("<Q", info)[0] & _INFO_EXIT:
        return None
    status: int = struct.unpack_from("<i", info, _STATUS_OFFSET)[0]
    return status


def _info(fd: int) -> bytes:
    return fcntl.ioctl(fd, _GET_INFO, struct.pack("<Q56x", _INFO_EXIT))


def still_lives(fd: int) -> bool:
    """Whether the process behind the pidfd has not ended yet."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return not poll.poll(0)


def open_pidfd(pid: int) -> int | None:
    """A pidfd, or None when there is no such process."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
