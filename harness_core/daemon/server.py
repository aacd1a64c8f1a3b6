"""Server: the one door. It listens, counts and times whoever knocks, and knows whom a certificate belongs to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from functools import partial

from harness_core import trust
from harness_core.contracts.errors import HarnessError
from harness_core.daemon.connection import GOING_AWAY, Connection, Patience
from harness_core.daemon.model import Caller, Daemon
from harness_core.daemon.session import Session
from harness_core.daemon.stream import Encoder
from harness_core.protocol import Role

MAX_GREETING = 64
"""Connections that have not yet shown who they are, at one time."""
MAX_CONNECTIONS = 1_000


class CannotListen(HarnessError):
    """The address can't be listened on."""

    kind = "daemon.cannot-listen"


class Server:
    """Accepts connections and owns their sessions."""

    def __init__(self, daemon: Callable[[], Daemon], context: ssl.SSLContext, *, patience: Patience | None = None) -> None:
        self._daemon = daemon
        self._tasks: asyncio.TaskGroup | None = None
        self._patience = patience or Patience()
        self._encoder = Encoder()
        self._greeting: set[asyncio.Task[None]] = set()
        self._count = 0
        self._accepting: asyncio.Task[None] | None = None
        self._listener: socket.socket | None = None
        self.context = context
        self.connections: set[Connection] = set()
        self.hosts: frozenset[str] = frozenset()
        """what a Host header may say"""

    @property
    def address(self) -> str:
        """host:port that it listens on."""
        assert self._listener is not None
        host, port = self._listener.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def listen(self, host: str, port: int, *, names: frozenset[str], bound: int | None = None) -> None:
        """Listen; `names` are the host names that clients may use, `bound` a descriptor that listens there already."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            if bound is not None:
                self._listener = socket.socket(fileno=bound)
            else:
                self._listener = socket.create_server((host, port), family=family, backlog=512)
        except OSError as e:
            raise CannotListen(
                f"cannot listen on {host}:{port}: {e.strerror or e}", hint="choose another address: --listen HOST:PORT"
            ) from e
        self._listener.setblocking(False)
        number = self._listener.getsockname()[1]
        self.hosts = frozenset(f"[{name}]:{number}" if ":" in name else f"{name}:{number}" for name in names)

    def accept(self, tasks: asyncio.TaskGroup) -> None:
        """From now on answer, in tasks of this group."""
        self._tasks = tasks
        self._accepting = tasks.create_task(self._accept(tasks))

    def keep_listening(self) -> int:
        """A descriptor of the same socket: whoever comes waits in its queue, also after `stop_accepting`."""
        assert self._listener is not None
        return os.dup(self._listener.fileno())

    def stop_accepting(self) -> None:
        """Let nobody new in."""
        if self._accepting is not None:
            self._accepting.cancel()
        if self._listener is not None:
            self._listener.close()

    async def aclose(self, reason: str, *, code: int = GOING_AWAY) -> None:
        """Accept nobody any more, tell those who are there, and let them go."""
        self.stop_accepting()
        for greeting in self._greeting:
            greeting.cancel()
        for connection in list(self.connections):
            connection.session_ends(reason, code=code)
        deadline = asyncio.get_running_loop().time() + self._patience.goodbye
        for connection in list(self.connections):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await connection.gone.wait()
        for connection in list(self.connections):
            connection.abort()

    def session_for(self, connection: Connection, caller: Caller) -> Session:
        """A session for somebody who has shown who they are."""
        assert self._tasks is not None  # nobody comes in before `accept`
        self._count += 1
        return Session(
            self._daemon(), caller, connection, number=self._count, tasks=self._tasks, encoder=self._encoder, pid=os.getpid()
        )

    def refused(self, peer: str, why: str) -> None:
        """Note a connection that was not let in."""
        self._daemon().audit.stranger(peer, why)

    def caller(self, der: bytes) -> Caller | None:
        """Whom a client certificate belongs to; None: to nobody we know."""
        key = trust.fingerprint(der)
        known = trust.clients(self._daemon().state_dir).get(key)
        return Caller(known.name, Role(known.role), key) if known else None

    async def _accept(self, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        assert self._listener is not None
        while True:
            try:
                sock, peer = await loop.sock_accept(self._listener)
            except OSError as e:
                self._daemon().log.logger.warning("cannot accept a connection: %s", e)
                await asyncio.sleep(0.1)  # out of descriptors: others must go before anybody can come
                continue
            who = f"{peer[0]}:{peer[1]}"
            if len(self._greeting) >= MAX_GREETING or len(self.connections) >= MAX_CONNECTIONS:
                self.refused(who, "too many connections")
                sock.close()
                continue
            connection = Connection(self, who, self._patience)
            greeting = tasks.create_task(self._greet(sock, who, connection))
            self._greeting.add(greeting)
            greeting.add_done_callback(self._greeting.discard)
            # Also of a task that was cancelled before it began: as long as there is no transport, nobody owns the socket.
            greeting.add_done_callback(partial(_close_unless_made, sock, connection))

    async def _greet(self, sock: socket.socket, peer: str, connection: Connection) -> None:
        """Bring one connection up to its session, or end it in time."""
        loop = asyncio.get_running_loop()
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(self._patience.greeting):
                await loop.connect_accepted_socket(
                    lambda: connection, sock, ssl=self.context, ssl_handshake_timeout=self._patience.greeting,
                    ssl_shutdown_timeout=self._patience.goodbye,
                )  # fmt: skip
                await connection.greeted.wait()
        except TimeoutError:
            self.refused(peer, "did not introduce itself in time")
            connection.abort()
        except OSError as e:
            reason = getattr(e, "verify_message", None) or getattr(e, "reason", None) or str(e) or type(e).__name__
            self.refused(peer, f"TLS: {reason}")


def _close_unless_made(sock: socket.socket, connection: Connection, _: asyncio.Task[None]) -> None:
    if not connection.made:
        sock.close()
