"""Transport: how a client exchanges texts with a daemon; here over a WebSocket in TLS.

Written on the plain socket, without asyncio and without a WebSocket library: a `harness status` would spend more time on
importing those than on everything else together. Only what a client of our own server needs is spoken: no extensions, no
subprotocols, no redirects. The server side uses a full implementation, so each test of it proves this one as well.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import select
import socket
import ssl
import time
from pathlib import Path
from typing import Any, Protocol

from harness_core import trust
from harness_core.contracts.errors import HarnessError
from harness_core.protocol import MAX_REPLY

OPEN_TIMEOUT = 5.0
"""Seconds for each of: connecting, TLS, the upgrade."""
SEND_TIMEOUT = 30.0
_READ_AT_ONCE = 1024 * 1024
_MAX_HEAD = 16 * 1024
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_GOING_AWAY = (1001).to_bytes(2, "big")
_CONTINUATION, _TEXT, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x8, 0x9, 0xA


class Unreachable(HarnessError):
    """No daemon answers."""

    kind = "daemon.unreachable"


class ConnectionLost(Unreachable):
    """The daemon answered before, and the connection to it has ended. `told`: somebody told the daemon to end."""

    def __init__(self, message: str, *, hint: str | None = None, told: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.told = told


class Untrusted(HarnessError):
    """The daemon does not accept this client's certificate, or not this client."""

    kind = "auth.untrusted"


class Impostor(Unreachable):
    """Something answers at the address, and it is not the daemon that was there."""


class Transport(Protocol):
    """Texts to and from a daemon. Everything raises ConnectionLost once the other side is gone."""

    def send(self, text: str) -> None:
        """Send one text, whole."""

    def ready(self, timeout: float | None) -> bool:
        """Whether `receive` has something (also: an end) to tell; waits up to `timeout` seconds. Nothing is lost by an
        exception that a signal handler raises in here.
        """

    def receive(self) -> list[str]:
        """The texts that have arrived; never waits."""

    def fileno(self) -> int:
        """What can be polled for reading while `ready` says no."""

    def close(self) -> None:
        """Let go."""


class WebSocketTransport:
    """A WebSocket over TLS 1.3; made by `open_websocket`."""

    def __init__(self, sock: ssl.SSLSocket, leftover: bytes) -> None:
        self._socket = sock
        self._buffer = bytearray(leftover)
        self._fragments = bytearray()
        self._ended: str | None = None
        self._told = False
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        sock.setblocking(False)

    def send(self, text: str) -> None:
        """Send one text, whole; what arrives meanwhile is kept."""
        self._send_frame(_TEXT, text.encode())

    def ready(self, timeout: float | None) -> bool:
        """Whether `receive` would tell something."""
        if self._buffer and self._frame_end() is not None:
            return True
        if self._ended is not None or self._socket.pending():
            return True
        return bool(self._poll.poll(None if timeout is None else max(0.0, timeout) * 1000))

    def receive(self) -> list[str]:
        """The texts that have arrived; raises ConnectionLost when there are none and never will be."""
        self._fill()
        texts = self._texts()
        if not texts:
            self._check_ended()
        return texts

    def fileno(self) -> int:
        """The socket."""
        return self._socket.fileno()

    def close(self) -> None:
        """Say goodbye where that costs no wait, and let go."""
        with contextlib.suppress(OSError, HarnessError):
            if self._ended is None:
                self._socket.send(_frame(_CLOSE, (1000).to_bytes(2, "big")))
        self._socket.close()

    def _check_ended(self) -> None:
        if self._ended is not None:
            raise ConnectionLost(self._ended, hint="`harness daemon status` tells whether it runs", told=self._told)

    def _fill(self) -> None:
        """Read what is there, up to a bound."""
        until = len(self._buffer) + _READ_AT_ONCE
        while self._ended is None and len(self._buffer) < until:
            try:
                data = self._socket.recv(65536)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                return
            except OSError as e:
                self._ended = f"the connection to the daemon broke: {e.strerror or e}"
                return
            if not data:
                self._ended = "the daemon closed the connection"
            self._buffer += data

    def _texts(self) -> list[str]:
        texts = []
        while (end := self._frame_end()) is not None:
            start, stop = end
            first, payload = self._buffer[0], bytes(self._buffer[start:stop])
            del self._buffer[:stop]
            opcode, final = first & 0x0F, first & 0x80
            if opcode in (_TEXT, _CONTINUATION):
                self._fragments += payload
                if len(self._fragments) > MAX_REPLY:
                    self._ended = "the daemon sent a message that is too long"
                    break
                if final:
                    texts.append(self._fragments.decode())
                    self._fragments.clear()
            elif opcode == _PING:
                self._send_frame(_PONG, payload)
            elif opcode == _CLOSE:
                self._told = payload[:2] == _GOING_AWAY
                reason = payload[2:].decode(errors="replace")
                self._ended = "the daemon closed the connection" + (f": {reason}" if reason else "")
        return texts

    def _frame_end(self) -> tuple[int, int] | None:
        """Where the payload of the first frame begins and ends; None: it is not here in full."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 0x7F, 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                return None
            length = int.from_bytes(buffer[2:start], "big")
        if length > MAX_REPLY:
            self._ended = "the daemon sent a frame that is too long"
            return None
        return (start, start + length) if len(buffer) >= start + length else None

    def _send_frame(self, opcode: int, payload: bytes) -> None:
        rest = memoryview(_frame(opcode, payload))
        deadline = time.monotonic() + SEND_TIMEOUT
        both = select.poll()
        both.register(self._socket, select.POLLIN | select.POLLOUT)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                # The daemon stops reading while we do not read: taking in what it says keeps both of us going.
                self._fill()
                if self._ended is None and not both.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    self._ended = f"the daemon has read nothing for {SEND_TIMEOUT:g} s"
            except OSError as e:
                self._ended = self._ended or f"the connection to the daemon broke: {e.strerror or e}"
            self._check_ended()


def open_websocket(address: str, *, fingerprint: str, directory: Path) -> WebSocketTransport:
    """A connection to the daemon at `address` whose certificate has this fingerprint, with the client certificate that
    `directory` (a state directory) holds.

    Raises Unreachable, Impostor (whoever answers is somebody else) or Untrusted (it refuses us).
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    context = trust.client_context(directory)
    try:
        # As bytes, here and for TLS: for a text the codec of international names would be imported, which takes 3 ms.
        where: tuple[Any, int] = (host.encode("ascii"), int(port))
        plain = socket.create_connection(where, timeout=OPEN_TIMEOUT)
    except OSError as e:
        raise Unreachable(f"no daemon answers at {address}: {e.strerror or e}") from e
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock = _tls(plain, context, host, address, fingerprint)
    except BaseException:
        plain.close()
        raise
    try:
        return WebSocketTransport(sock, _upgrade(sock, address))
    except BaseException:
        sock.close()
        raise


def _tls(plain: socket.socket, context: ssl.SSLContext, host: str, address: str, fingerprint: str) -> ssl.SSLSocket:
    try:
        sock = context.wrap_socket(plain, server_hostname=host.encode("ascii"))
    except ssl.SSLCertVerificationError as e:
        raise Impostor(f"what answers at {address} is not our daemon: {e.verify_message}") from e
    except TimeoutError as e:
        raise Unreachable(f"the daemon at {address} does not answer within {OPEN_TIMEOUT:g} s") from e
    except OSError as e:
        raise Impostor(f"what answers at {address} does not speak TLS 1.3 with us: {e.strerror or e}") from e
    if trust.fingerprint(sock.getpeercert(binary_form=True) or b"") != fingerprint:
        sock.close()
        raise Impostor(f"the certificate of the daemon at {address} is not the one that daemon.json names")
    return sock


def _upgrade(sock: ssl.SSLSocket, address: str) -> bytes:
    """Turn the TLS connection into a WebSocket; what arrived after the reply."""
    key = base64.b64encode(os.urandom(16))
    lines = (
        "GET / HTTP/1.1", f"Host: {address}", "Upgrade: websocket", "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key.decode()}", "Sec-WebSocket-Version: 13", "", "",
    )  # fmt: skip
    head = b""
    try:
        sock.sendall("\r\n".join(lines).encode())
        while b"\r\n\r\n" not in head:
            data = sock.recv(65536)
            if not data or len(head) > _MAX_HEAD:
                break
            head += data
        refused = not head.startswith(b"HTTP/1.1 101 ")
        while refused and (data := sock.recv(65536)):
            head += data  # the reason follows, then the end
    except TimeoutError as e:
        raise Unreachable(f"the daemon at {address} does not answer within {OPEN_TIMEOUT:g} s") from e
    except (ssl.SSLError, ConnectionError) as e:
        # TLS 1.3 tells a client that it is refused only now, at the first read, by an alert or by hanging up.
        raise _untrusted(address) from e
    if not head:
        raise _untrusted(address)
    head, _, leftover = head.partition(b"\r\n\r\n")
    if refused:
        raise _refusal(address, head, leftover)
    accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    if b"sec-websocket-accept: " + accept.lower() not in head.lower():
        raise Impostor(f"what answers at {address} does not speak WebSocket")
    return leftover


def _untrusted(address: str) -> Untrusted:
    return Untrusted(
        f"this certificate is not trusted by the daemon at {address}",
        hint="it belongs to another state directory or was removed; run on the daemon's side: harness trust add",
    )


def _refusal(address: str, head: bytes, body: bytes) -> HarnessError:
    """What the daemon said when it refused the upgrade."""
    try:
        error = json.loads(body)
        refusal = Untrusted(error["message"], hint=error["hint"])
        refusal.kind = error["kind"]
    except (ValueError, KeyError, TypeError):
        status = head.split(b"\r\n", 1)[0].decode(errors="replace")
        return Unreachable(f"the daemon at {address} refused the connection: {status}")
    return refusal


def _frame(opcode: int, payload: bytes) -> bytes:
    """A final frame as clients send it: masked."""
    size, mask = len(payload), os.urandom(4)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65536:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    # As one big number: a loop over bytes would take 100 ms for a bundle.
    key = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return head + mask + masked
