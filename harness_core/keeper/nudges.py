"""Wake whoever waits for a file of a folder to grow, without polling (inotify)."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct

IN_MODIFY, IN_CREATE, IN_NONBLOCK, IN_CLOEXEC = 0x2, 0x100, 0o4000, 0o2000000
_HEADER = struct.Struct("iIII")


class Nudges:
    """One inotify handle for all followers of a client, opened by the first of them."""

    def __init__(self) -> None:
        self._fd = -1
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._watches: dict[int, tuple[str, set[asyncio.Event]]] = {}

    def watch(self, folder: str) -> asyncio.Event:
        """An event that is set whenever a file in the folder was written or made; OSError where the kernel is out of watches."""
        if self._fd < 0:
            self._fd = self._check(self._libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC))
            asyncio.get_running_loop().add_reader(self._fd, self._read)
        number = self._check(self._libc.inotify_add_watch(self._fd, os.fsencode(folder), IN_MODIFY | IN_CREATE))
        event = asyncio.Event()
        self._watches.setdefault(number, (folder, set()))[1].add(event)
        return event

    def unwatch(self, event: asyncio.Event) -> None:
        """End one watch."""
        for number, (_, events) in list(self._watches.items()):
            events.discard(event)
            if not events:
                del self._watches[number]
                if self._fd >= 0:
                    self._libc.inotify_rm_watch(self._fd, number)

    def close(self) -> None:
        """Give the handle back."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return
        position = 0
        while position < len(data):
            number, _mask, _cookie, length = _HEADER.unpack_from(data, position)
            position += _HEADER.size + length
            self._wake(number)

    def _wake(self, number: int) -> None:
        # A negative number: the kernel's queue ran over, anybody may have missed something.
        woken = [number] if number >= 0 else list(self._watches)
        for _, events in (self._watches[one] for one in woken if one in self._watches):
            for event in events:
                event.set()

    @staticmethod
    def _check(result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result
