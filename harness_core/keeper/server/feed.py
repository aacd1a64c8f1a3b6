"""Write to somebody's standard input without ever waiting for them."""

from __future__ import annotations

import base64
import os
from typing import Any, Callable

from harness_core.keeper.server.loop import WRITE, Loop
from harness_core.keeper.server.refusal import Refusal

MOST = 1 << 20


class Feed:
    """The writing end of a pipe or terminal; keeps at most ``MOST`` bytes that were not taken yet."""

    __slots__ = ("_closing", "_copy", "_loop", "_waiting", "fd", "owned", "pending")

    def __init__(self, loop: Loop, fd: int, *, owned: bool) -> None:
        self._loop, self.fd, self.owned = loop, fd, owned
        self.pending = bytearray()
        self._waiting: list[Callable[[], None]] = []
        self._closing = False
        self._copy = -1

    def write(self, data: bytes | None, done: Callable[[], None]) -> None:
        """Pass bytes on and call ``done`` once they were taken; None closes after what is pending."""
        if self.fd < 0 or self._closing:
            raise Refusal("stdin-closed", "the standard input is closed")
        if len(self.pending) + len(data or b"") > MOST:
            raise Refusal("busy", "%d bytes of standard input were not read yet" % len(self.pending))
        idle = not self.pending
        if data is None:
            self._closing = True
            if not self.owned:
                self.pending += b"\x04"  # a terminal: its end-of-file character
        else:
            self.pending += data
        self._waiting.append(done)
        if idle and self._push():
            self._wait()

    def hand_over(self) -> dict[str, Any]:
        """What the keeper that replaces this one needs to go on."""
        pending = base64.b64encode(self.pending).decode()
        return {"fd": self.fd, "owned": self.owned, "closing": self._closing, "pending": pending}

    def settle(self) -> None:
        """Tell those who wait for bytes to be taken that these are safe: whoever replaces us passes them on."""
        self._finish()

    def take_over(self, handed: dict[str, Any]) -> None:
        """Go on with the bytes that were not taken yet, and with the end that was asked for."""
        self.pending += base64.b64decode(handed["pending"])
        self._closing = handed["closing"]
        if (self.pending or self._closing) and self._push():
            self._wait()

    def close(self) -> None:
        """Give up what is pending."""
        self.pending.clear()
        self._closing = True
        self._stop_waiting()
        if self.fd >= 0 and self.owned:
            os.close(self.fd)
        self.fd = -1
        self._finish()

    def _ready(self, _mask: int) -> None:
        if self.fd < 0 or not self._push():
            self._stop_waiting()

    def _wait(self) -> None:
        # The descriptor of a terminal is watched for reading already: wait on a copy.
        self._copy = os.dup(self.fd)
        self._loop.watch(self._copy, WRITE, self._ready)

    def _stop_waiting(self) -> None:
        if self._copy >= 0:
            self._loop.unwatch(self._copy)
            os.close(self._copy)
            self._copy = -1

    def _push(self) -> bool:
        """Write what can be written; True while something is left."""
        try:
            while self.pending:
                del self.pending[: os.write(self.fd, self.pending)]
        except BlockingIOError:
            return True
        except OSError:
            self.close()  # nobody will read it any more
            return False
        if self._closing and self.owned:
            self.close()
        self._finish()
        return False

    def _finish(self) -> None:
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done()
