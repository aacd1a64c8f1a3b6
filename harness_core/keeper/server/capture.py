"""Copy bytes from a FIFO, pipe or terminal into a sink, a bounded amount per turn."""

from __future__ import annotations

import array
import fcntl
import os
import termios
from typing import Callable

from harness_core.keeper.server.loop import READ, Loop

# One buffer for all: the loop has one thread, and a sink is done with it before it returns.
_BUFFER = memoryview(bytearray(128 << 10))
ENOUGH = 32 << 10


class Capture:
    """Feeds a sink from a non-blocking descriptor until its end; owns the descriptor."""

    __slots__ = ("_loop", "_on_end", "_sink", "_watched", "fd", "stream")

    def __init__(
        self, loop: Loop, fd: int, stream: int, sink: Callable[[memoryview, int], None], on_end: Callable[[], None]
    ) -> None:
        self._loop, self.fd, self.stream = loop, fd, stream
        self._sink, self._on_end = sink, on_end
        self._watched = False
        self.resume()

    @property
    def open(self) -> bool:
        """Whether somebody may still write."""
        return self.fd >= 0

    def resume(self) -> None:
        """Go on reading after a pause."""
        if not self._watched and self.fd >= 0:
            self._loop.watch(self.fd, READ, self._ready, bulk=True)
            self._watched = True

    def pause(self) -> None:
        """Leave the bytes where they are: the writer blocks, nobody's memory grows."""
        if self._watched:
            self._loop.unwatch(self.fd)
            self._watched = False

    def drain(self) -> None:
        """Take what was written before this moment, and no more: a writer that goes on cannot hold us up."""
        if self.fd < 0:
            return
        waiting = array.array("i", [0])
        fcntl.ioctl(self.fd, termios.FIONREAD, waiting)
        left = waiting[0]
        while left > 0 and self.fd >= 0:
            taken = self._take()
            if not taken:
                break
            left -= taken
        if self.fd >= 0:
            self._take()  # finds the end when nobody holds the other side

    def close(self) -> None:
        """Stop reading and give the descriptor back."""
        if self.fd >= 0:
            self.pause()
            os.close(self.fd)
            self.fd = -1

    def _ready(self, _mask: int) -> None:
        self._take()

    def _take(self) -> int:
        if self.fd < 0:
            return 0
        filled, ended = 0, False
        while filled < len(_BUFFER):
            try:
                size = os.readv(self.fd, [_BUFFER[filled:]])
            except BlockingIOError:
                break
            except OSError:
                size = 0  # a terminal whose last user is gone answers EIO
            if size == 0:
                ended = True
                break
            filled += size
            if size < ENOUGH:
                break
        if filled:
            self._sink(_BUFFER[:filled], self.stream)
        if ended:
            self.close()
            self._on_end()
        return filled
