"""Door: the real server, TLS and all, in a thread, with a stand-in behind it."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from standin import StandIn

from harness_core import paths, trust
from harness_core.client import Client, connect
from harness_core.daemon.address import announce, names_for
from harness_core.daemon.audit import Audit
from harness_core.daemon.log import OwnLog
from harness_core.daemon.model import Daemon
from harness_core.daemon.server import Patience, Server
from harness_core.testing.catalog import catalog_of


class Door:
    def __init__(self, state_dir: Path, *, patience: Patience = Patience()) -> None:
        self.state_dir = state_dir
        self.manager: StandIn
        self.server: Server
        self._patience = patience
        self._up: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()))

    def __enter__(self) -> Door:
        self._thread.start()
        self._loop, self._stop = self._up.result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.server.address.split(":")
        return host, int(port)

    def client(self) -> Client:
        return connect(self.state_dir, start=False)

    def raw(self, *, context: ssl.SSLContext | None = None, timeout: float = 5.0) -> ssl.SSLSocket:
        plain = socket.create_connection(self.address, timeout=timeout)
        return (context or trust.client_context(self.state_dir)).wrap_socket(plain, server_hostname="127.0.0.1")

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
                async with asyncio.TaskGroup() as tasks:
                    context = trust.server_context(self.state_dir)
                    self.server = server = Server(lambda: daemon, tasks, context, patience=self._patience)
                    daemon = Daemon(
                        manager=self.manager, catalog=catalog_of(), state_dir=self.state_dir, log=log, audit=audit,
                        started_at=datetime.now(UTC).isoformat(), degraded=None, address=lambda: server.address,
                        connections=lambda: len(server.connections), stop=asyncio.Event(),
                    )  # fmt: skip
                    server.listen("127.0.0.1", 0, names=names)
                    server.accept()
                    announce(self.state_dir, address=server.address, started_at=daemon.started_at)
                    self._up.set_result((asyncio.get_running_loop(), daemon.stop))
                    await daemon.stop.wait()
                    paths.remove_daemon_file(self.state_dir, os.getpid())
                    await server.aclose("the daemon ends")
        except BaseException as e:
            if self._up.done():
                raise
            self._up.set_exception(e)
