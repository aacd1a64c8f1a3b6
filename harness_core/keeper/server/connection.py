"""One client's end of the socket: frames in, frames out, and a bound on both."""

from __future__ import annotations

import json
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Callable

from harness_core.keeper.server.loop import READ, WRITE, Loop
from harness_core.keeper.server.refusal import Refusal

if TYPE_CHECKING:
    from harness_core.keeper.server.operations import Operations

MOST_IN = 64 << 20
MOST_OUT = 32 << 20


class Connection:
    """Never blocks the loop: a client that does not read is cut off once ``MOST_OUT`` bytes wait for it."""

    def __init__(self, loop: Loop, sock: socket.socket, operations: Operations) -> None:
        self.name = ""
        self._loop = loop
        self._sock = sock
        self._operations = operations
        self._in = bytearray()
        self._out: deque[bytes] = deque()
        self.backlog = 0
        self._flush_planned = False
        self._writing = False
        self._flushed: list[Callable[[], None]] = []
        self.open = True
        loop.watch(sock.fileno(), READ, self._ready)

    def tell(self, message: dict[str, Any]) -> None:
        """Queue one message."""
        self.send(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def send(self, line: bytes) -> None:
        """Queue one line; all of a turn go out together at its end."""
        if not self.open:
            return
        self._out.append(line)
        self.backlog += len(line)
        if self.backlog > MOST_OUT:
            self.close()
        elif not self._flush_planned and not self._writing:
            self._flush_planned = True
            self._loop.soon(self.flush)

    def fail(self, number: Any, refusal: Refusal) -> None:
        """Answer a request by why it was declined."""
        self.tell({"re": number, "error": refusal.to_wire()})

    def when_flushed(self, call: Callable[[], None]) -> None:
        """Call once the client has taken what was queued."""
        self._flushed.append(call)

    def close(self) -> None:
        """Hang up, and let go of what the client had."""
        if not self.open:
            return
        self.open = False
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()
        self._out.clear()
        self._flushed.clear()
        self._operations.gone(self)

    def _ready(self, mask: int) -> None:
        if mask & WRITE:
            self.flush()
        if mask & ~WRITE and self.open:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._in += data
        if b"\n" not in data:
            if len(self._in) > MOST_IN:
                self.close()
            return
        *lines, rest = bytes(self._in).split(b"\n")
        self._in = bytearray(rest)
        for line in lines:
            if self.open:
                self._operations.handle(self, line)

    def flush(self) -> None:
        """Send what is queued, as far as it is taken without waiting."""
        self._flush_planned = False
        if not self.open:
            return
        try:
            while self._out:
                line = b"".join(self._out) if len(self._out) > 1 else self._out[0]
                self._out.clear()
                sent = self._sock.send(line)
                self.backlog -= sent
                if sent < len(line):
                    self._out.append(line[sent:])
        except BlockingIOError:
            self._out.appendleft(line)
        except OSError:
            self.close()
            return
        if bool(self._out) != self._writing:
            self._writing = bool(self._out)
            self._loop.change(self._sock.fileno(), READ | WRITE if self._writing else READ)
        if not self._out:
            flushed, self._flushed = self._flushed, []
            for call in flushed:
                call()
