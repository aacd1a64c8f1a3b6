"""A door to knock at: the real server, TLS and all, in a thread, or a session without sockets, each with a stand-in behind it."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness_core import paths, trust
from harness_core.client import Client, connect
from harness_core.contracts.clock import SystemClock
from harness_core.contracts.errors import HarnessError
from harness_core.contracts.events import Note
from harness_core.daemon.address import announce, names_for
from harness_core.daemon.audit import Audit
from harness_core.daemon.connection import Patience
from harness_core.daemon.log import OwnLog
from harness_core.daemon.model import Daemon
from harness_core.daemon.server import Server
from harness_core.engine.bus import Bus
from harness_core.testing.catalog import catalog_of
from harness_core.testing.loopback import LoopbackDaemon
from harness_core.transport import WebSocketTransport, open_websocket


class UnknownProject(HarnessError):
    kind = "project.unknown"


class StandInLogs:
    def __init__(self) -> None:
        self.lines = 3
        self.read_lines = 0
        self.text = "line"

    async def read(self, project: str, services: Any, **query: Any) -> AsyncIterator[dict[str, Any]]:
        for number in range(self.lines):
            self.read_lines += 1
            yield {"type": "log", "service": "api", "text": f"{self.text} {number}", "cursor": f"c{number}", "end": True}
        if query["follow"]:
            await asyncio.Event().wait()


class StandIn:
    """Knows one project, `shop`, with one service, `api`."""

    def __init__(self) -> None:
        self.bus = Bus(SystemClock())
        self.epoch = self.bus.epoch
        self.degraded: str | None = None
        self.logs = StandInLogs()
        self.stopped: list[str] = []
        self.cancelled = 0
        self.hold: asyncio.Event | None = None
        self.status_hold: asyncio.Event | None = None
        self.service_fields: dict[str, Any] = {}

    async def open(self) -> None:
        return None

    async def aclose(self) -> None:
        return None

    secrets: frozenset[str] = frozenset()

    @property
    def idle(self) -> bool:
        return True

    async def start(self, project: str, services: Any, *, by: str, **_: Any) -> dict[str, Any]:
        self._known(project)
        self.bus.publish(Note, project=project, service="api", detail=f"started by {by}")
        if self.hold is not None:
            try:
                await self.hold.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        self.bus.publish(Note, project=project, service="api", detail="done")
        return {"reached": True, "timed_out": False, "services": []}

    async def stop(self, project: str, services: Any, **_: Any) -> dict[str, Any]:
        self._known(project)
        self.stopped.append(project)
        return {"reached": True, "timed_out": False, "services": []}

    async def status(self, project: str, services: Any, *, detailed: bool) -> dict[str, Any]:
        self._known(project)
        if self.status_hold is not None:
            await self.status_hold.wait()
        service = {"name": "api", "type": "process", "state": "running", "health": "healthy", **self.service_fields}
        return {"project": project, "name": project, "path": "/x", "degraded": None, "services": [service]}

    def projects(self) -> list[dict[str, Any]]:
        return [{"id": "shop", "name": "shop", "path": "/x", "wanted": 1, "running": 1, "services": 1}]

    async def why(self, project: str, service: str) -> dict[str, Any]:
        raise ZeroDivisionError("SUPER_SECRET=hunter22")

    async def keeper_stats(self) -> dict[str, Any]:
        return {"pid": 1}

    def _known(self, project: str) -> None:
        if project != "shop":
            raise UnknownProject(f"no project {project!r}", hint="known: shop")


class Door:
    def __init__(self, state_dir: Path, *, patience: Patience | None = None) -> None:
        self.state_dir = state_dir
        self.manager: StandIn
        self.server: Server
        self._patience = patience or Patience()
        self._opened = ExitStack()
        self._up: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), daemon=True)

    def __enter__(self) -> Door:
        self._thread.start()
        self._loop, self._stop = self._up.result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.server.address.split(":")
        return host, int(port)

    def client(self) -> Client:
        client = connect(self.state_dir, start=False)
        self._opened.callback(client.close)
        return client

    def raw(self, *, context: ssl.SSLContext | None = None, timeout: float = 5.0) -> ssl.SSLSocket:
        plain = self.plain(timeout=timeout)
        return self._opened.enter_context(
            (context or trust.client_context(self.state_dir)).wrap_socket(plain, server_hostname="127.0.0.1")
        )

    def plain(self, *, timeout: float = 5.0) -> socket.socket:
        return self._opened.enter_context(socket.create_connection(self.address, timeout=timeout))

    def transport(self) -> WebSocketTransport:
        info = paths.read_daemon_file(self.state_dir)
        assert info is not None
        transport = open_websocket(info.address, fingerprint=info.fingerprint, directory=self.state_dir)
        self._opened.callback(transport.close)
        return transport

    def call(self, function: Any, *arguments: Any) -> Any:
        async def there() -> Any:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(10)

    def audit(self) -> str:
        return (self.state_dir / "audit.jsonl").read_text()

    async def _live(self) -> None:
        try:
            with ExitStack() as stack:
                paths.ensure_state_dir(self.state_dir)
                log, audit = OwnLog(self.state_dir), Audit(self.state_dir)
                stack.callback(log.close)
                stack.callback(audit.close)
                names = names_for("127.0.0.1")
                trust.ensure(self.state_dir, owner="alice", names=names)
                self.manager = StandIn()
                stop = asyncio.Event()
                async with asyncio.TaskGroup() as tasks:
                    context = trust.server_context(self.state_dir)
                    self.server = server = Server(lambda: daemon, context, patience=self._patience)
                    daemon = Daemon(
                        manager=self.manager, catalog=catalog_of(), state_dir=self.state_dir, log=log, audit=audit,
                        started_at=datetime.now(UTC).isoformat(), address=lambda: server.address,
                        connections=lambda: len(server.connections), leave=stop.set,
                    )  # fmt: skip
                    server.listen("127.0.0.1", 0, names=names)
                    server.accept(tasks)
                    announce(self.state_dir, address=server.address, started_at=daemon.started_at)
                    self._up.set_result((asyncio.get_running_loop(), stop))
                    await stop.wait()
                    paths.remove_daemon_file(self.state_dir, os.getpid())
                    await server.aclose("the daemon ends")
        except BaseException as e:
            if self._up.done():
                raise
            self._up.set_exception(e)


@pytest.fixture
def make_door(tmp_path: Path) -> Iterator[Callable[..., Door]]:
    """Doors with other patience, or on a state directory that is there already."""
    with ExitStack() as stack:

        def make(state_dir: Path = tmp_path / "state", **options: Any) -> Door:
            return stack.enter_context(Door(state_dir, **options))

        yield make


@pytest.fixture
def door(make_door: Callable[..., Door]) -> Door:
    return make_door()


@pytest.fixture
def loopback(tmp_path: Path) -> Iterator[LoopbackDaemon]:
    with LoopbackDaemon(catalog=catalog_of(), state_dir=tmp_path, engine=lambda *_: StandIn()) as daemon:
        yield daemon


@pytest.fixture
def eventually() -> Callable[..., Any]:
    def wait(condition: Callable[[], Any], *, within: float = 10.0) -> Any:
        deadline = time.monotonic() + within
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"not within {within} s"
            time.sleep(0.01)
        return answer

    return wait
