"""LoopbackDaemon: a daemon inside the test's process, spoken to without sockets; all but the sockets is real."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness_core.client import Client
from harness_core.contracts.clock import SystemClock
from harness_core.contracts.registry import RegistryBackend
from harness_core.daemon.audit import Audit
from harness_core.daemon.log import OwnLog
from harness_core.daemon.model import Caller, Daemon
from harness_core.daemon.session import Session
from harness_core.daemon.stream import Encoder
from harness_core.plugins import Catalog
from harness_core.protocol import Role
from harness_core.testing.fakes.registry import MemoryRegistry
from harness_core.transport import ConnectionLost

START_TIMEOUT = 30.0
_ROOM = 256 * 1024
"""Characters that may wait for the client before the daemon's side is told to wait, as on a socket."""

EngineOf = Callable[[Catalog, RegistryBackend, Path, OwnLog], Any]


class LoopbackDaemon:
    """A daemon in a thread of its own; a context manager. `client()` gives connections to it.

    `registry` is a backend that is not open yet; without it, one in memory. `engine` makes something else than the real
    ServiceManager.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        registry: RegistryBackend | None = None,
        state_dir: Path | None = None,
        engine: EngineOf | None = None,
    ) -> None:
        self._catalog = catalog
        self._registry = registry
        self._engine = engine or _service_manager
        self._temporary = None if state_dir else tempfile.TemporaryDirectory(prefix="harness-")
        self.state_dir = state_dir or Path(self._temporary.name if self._temporary else "/")
        self._started: Future[tuple[asyncio.AbstractEventLoop, Callable[[_Channel, Role], Session]]] = Future()
        self._ending: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="loopback-daemon", daemon=True)
        self.manager: Any = None

    def __enter__(self) -> LoopbackDaemon:
        self._thread.start()
        try:
            self._loop, self._open_session = self._started.result(START_TIMEOUT)
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._ending is not None
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(START_TIMEOUT)
        assert not self._thread.is_alive(), "the daemon did not end"
        self._clean()

    def client(self, role: Role = Role.ADMIN) -> Client:
        """A connection of a client with this role."""
        channel = _Channel(self._loop)
        opened: Future[Session] = Future()

        def open_session() -> None:
            try:
                opened.set_result(self._open_session(channel, role))
            except BaseException as e:
                opened.set_exception(e)

        self._loop.call_soon_threadsafe(open_session)
        return Client(LoopbackTransport(channel, opened.result(START_TIMEOUT)))

    def run(self, coroutine: Any) -> Any:
        """The result of a coroutine, run where the daemon runs."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(START_TIMEOUT)

    async def _live(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                self._ending, opener = await self._open(stack)
                self._started.set_result((asyncio.get_running_loop(), opener))
                await self._ending.wait()
        except BaseException as e:
            if self._started.done():
                raise
            self._started.set_exception(e)

    async def _open(self, stack: AsyncExitStack) -> tuple[asyncio.Event, Callable[[_Channel, Role], Session]]:
        log, audit = OwnLog(self.state_dir), Audit(self.state_dir)
        stack.callback(log.close)
        stack.callback(audit.close)
        registry = self._registry or MemoryRegistry()
        await registry.open({})
        stack.push_async_callback(registry.aclose)
        self.manager = manager = self._engine(self._catalog, registry, self.state_dir, log)
        await manager.open()
        stack.push_async_callback(manager.aclose)
        sessions: list[Session] = []
        ending = asyncio.Event()
        daemon = Daemon(
            manager=manager, catalog=self._catalog, state_dir=self.state_dir, log=log, audit=audit,
            started_at=datetime.now(UTC).isoformat(), address=lambda: "loopback",
            connections=lambda: len(sessions), leave=ending.set,
        )  # fmt: skip
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        encoder = Encoder()

        def open_session(channel: _Channel, role: Role) -> Session:
            caller = Caller("loopback", role, "0" * 64)
            session = Session(daemon, caller, channel, number=len(sessions) + 1, tasks=tasks, encoder=encoder, pid=os.getpid())
            sessions.append(session)
            stack.callback(session.end, "the daemon ends")
            return session

        return ending, open_session

    def _clean(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()


class LoopbackTransport:
    """The client's end."""

    def __init__(self, channel: _Channel, session: Session) -> None:
        self._channel = channel
        self._session = session

    def send(self, text: str) -> None:
        """Hand a text to the session."""
        self._channel.call(self._session.received, text)

    def ready(self, timeout: float | None) -> bool:
        """Whether a text, or the end, is here."""
        return self._channel.ready(timeout)

    def receive(self) -> list[str]:
        """The texts that are here."""
        return self._channel.take()

    def fileno(self) -> int:
        """What can be polled for reading."""
        return self._channel.bell

    def close(self) -> None:
        """Let go."""
        self._channel.call(self._session.close)
        self._channel.hang_up()


class _Channel:
    """The daemon's end: texts cross from its thread to the client's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._texts: deque[str] = deque()
        self._size = 0
        self._news = threading.Condition()
        self._ended: str | None = None
        self._room = asyncio.Event()
        self._room.set()
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def send(self, text: str) -> None:
        with self._news:
            self._texts.append(text)
            self._ring()
            self._size += len(text)
            if self._size >= _ROOM:
                self._room.clear()
            self._news.notify_all()

    async def drained(self) -> None:
        await self._room.wait()

    def close(self, reason: str) -> None:
        with self._news:
            self._ended = reason
            self._ring()
            self._news.notify_all()

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed
            self.close("the daemon has ended")

    def hang_up(self) -> None:
        with self._news:
            if self.bell >= 0:
                os.close(self.bell)
                self.bell = -1

    def _ring(self) -> None:
        if self.bell >= 0:
            os.eventfd_write(self.bell, 1)

    def ready(self, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._news:
            while not self._texts and self._ended is None:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._news.wait(left)
        return True

    def take(self) -> list[str]:
        with self._news:
            texts = list(self._texts)
            self._texts.clear()
            if self.bell >= 0 and self._ended is None:
                with suppress(BlockingIOError):
                    os.eventfd_read(self.bell)
            self._size = 0
            if not texts and self._ended is not None:
                raise ConnectionLost(self._ended)
        if texts:
            self.call(self._room.set)
        return texts


def _service_manager(catalog: Catalog, registry: RegistryBackend, state_dir: Path, log: OwnLog) -> Any:
    from harness_core.engine.manager import ServiceManager

    return ServiceManager(catalog=catalog, registry=registry, state_dir=state_dir, clock=SystemClock(), log=log.logger)
