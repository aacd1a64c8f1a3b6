"""Connection: one WebSocket in TLS, the channel of its session.

The WebSocket is the library's protocol without its I/O, on an asyncio protocol of our own: so connections are counted and
timed from the moment they are accepted, before anybody has shown a certificate.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request as UpgradeRequest
from websockets.protocol import State
from websockets.server import ServerProtocol

from harness_core.daemon.model import Caller
from harness_core.daemon.session import Session
from harness_core.protocol import MAX_FRAME

if TYPE_CHECKING:
    from harness_core.daemon.server import Server

_HIGH_WATER = 256 * 1024
_LOW_WATER = 64 * 1024
GOING_AWAY, SERVICE_RESTART = 1001, 1012
"""How the closing frame tells a daemon that ends from one that will answer again in a moment."""
_AT_ONCE = 32
"""Frames of one client that are read in one turn of the loop."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `greeting`: TLS and upgrade together; `ping`: between pings; `silence`: until a client that neither answers
    pings nor takes what is sent is let go (a `less` in front of a follower may pause for a while; it resumes by cursor);
    `goodbye`: for the closing handshake.
    """

    greeting: float = 5.0
    ping: float = 20.0
    silence: float = 120.0
    goodbye: float = 1.0


class Connection(asyncio.Protocol):
    """One WebSocket; the channel of its session."""

    def __init__(self, server: Server, peer: str, patience: Patience) -> None:
        self._server = server
        self._peer = peer
        self._patience = patience
        self._ws = ServerProtocol(max_size=MAX_FRAME, logger=_QUIET)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._message = bytearray()
        self._unread: deque[Frame] = deque()
        self._room = asyncio.Event()
        self._room.set()
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.greeted = asyncio.Event()
        """there is a session, or never will be"""
        self.gone = asyncio.Event()

    @property
    def made(self) -> bool:
        """Whether TLS stands, or stood."""
        return self._transport is not None

    # As a channel

    def send(self, text: str) -> None:
        """Take one text for the client; dropped once the connection is ending."""
        if self._ws.state is State.OPEN:
            self._ws.send_text(text.encode())
            self._write()

    async def drained(self) -> None:
        """Return when the client has taken most of what was sent."""
        await self._room.wait()

    def close(self, reason: str, *, code: int = GOING_AWAY) -> None:
        """Close with a reason."""
        if self._ws.state is State.OPEN:
            self._ws.send_close(code, reason)
            self._write()

    def session_ends(self, reason: str, *, code: int) -> None:
        """The daemon ends, or is about to be back."""
        if self._session is not None:
            self._session.close()
        self.close(reason, code=code)

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    # As an asyncio protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS stands: whoever this is has a certificate of our CA."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER, low=_LOW_WATER)
        self._server.connections.add(self)
        self._heard = self._loop.time()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._heard = self._loop.time()
        self._ws.receive_data(data)
        for event in self._ws.events_received():
            if isinstance(event, UpgradeRequest):
                self._upgrade(event)
            elif isinstance(event, Frame):
                self._unread.append(event)
        self._read()

    def eof_received(self) -> None:
        """The client sends no more."""
        self._ws.receive_eof()
        self._write()

    def pause_writing(self) -> None:
        """The client does not take what is sent: what it says now can wait as well, or its answers would pile up."""
        self._room.clear()

    def resume_writing(self) -> None:
        """The client goes on."""
        self._heard = self._loop.time()
        self._room.set()
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, whatever the cause."""
        if self._timer is not None:
            self._timer.cancel()
        self._server.connections.discard(self)
        if self._session is not None:
            self._session.close()
        self._room.set()
        self.greeted.set()
        self.gone.set()

    def _upgrade(self, request: UpgradeRequest) -> None:
        refusal = self._refusal(request)
        if refusal is not None:
            why, kind, hint = refusal
            self._server.refused(self._peer, why)
            self._ws.send_response(self._ws.reject(403, json.dumps({"kind": kind, "message": why, "hint": hint})))
            return
        response = self._ws.accept(request)
        self._ws.send_response(response)
        if response.status_code != 101:
            self._server.refused(self._peer, f"not a WebSocket upgrade ({response.status_code})")
            return
        self._write()
        caller = self._who()
        assert caller is not None  # or it had been refused
        self._session = self._server.session_for(self, caller)
        self._timer = self._loop.call_later(self._patience.ping, self._ping)
        self.greeted.set()

    def _refusal(self, request: UpgradeRequest) -> tuple[str, str, str | None] | None:
        """Why this upgrade is refused: a sentence, its kind, a hint."""
        if request.headers.get_all("Host") not in ([host] for host in self._server.hosts):
            return "the Host header names nobody here", "auth.host", "use the address in daemon.json"
        if request.headers.get_all("Origin"):
            return "web pages may not connect", "auth.origin", None
        if request.path != "/":
            return "there is nothing at this path", "auth.path", None
        if self._who() is None:
            return "this certificate is not trusted here (any more)", "auth.untrusted", "on the daemon's side: harness trust add"
        return None

    def _who(self) -> Caller | None:
        assert self._transport is not None
        tls = self._transport.get_extra_info("ssl_object")
        return self._server.caller(tls.getpeercert(binary_form=True))

    def _read(self) -> None:
        """Take in what has come, as long as the answers are taken; a little at a time, so that others have their turn."""
        for _ in range(_AT_ONCE):
            if not self._unread or not self._room.is_set():
                break
            self._frame(self._unread.popleft())
        self._write()
        if self._transport is None or self._transport.is_closing():
            self._unread.clear()
        elif self._unread:
            self._transport.pause_reading()
            if self._room.is_set():
                self._loop.call_soon(self._read)
        elif self._room.is_set():
            self._transport.resume_reading()

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self._ws.fail(1003, "text only")
        if frame.opcode not in (Opcode.TEXT, Opcode.CONT) or self._session is None or self._ws.state is not State.OPEN:
            return
        self._message += frame.data
        if not frame.fin:
            return
        data, self._message = bytes(self._message), bytearray()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._ws.fail(1007, "not UTF-8")
            return
        self._session.received(text)

    def _write(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        for data in self._ws.data_to_send():
            if data:
                self._transport.write(data)
            else:  # the library's way to say that nothing follows; TLS has no half-closed connections
                self._transport.close()
                return
        if self._ws.close_expected():
            self._loop.call_later(self._patience.goodbye, self.abort)

    def _ping(self) -> None:
        """Tell a client that is silent from one that is gone."""
        if self._loop.time() - self._heard > self._patience.silence:
            self._server.refused(self._peer, "took nothing and said nothing for too long")
            self.abort()
            return
        if self._ws.state is State.OPEN and self._room.is_set():
            self._ws.send_ping(b"")
            self._write()
        self._timer = self._loop.call_later(self._patience.ping, self._ping)


_QUIET = logging.getLogger("harness.websocket")
_QUIET.setLevel(logging.CRITICAL)  # strangers' mistakes are in the audit, not in the log
