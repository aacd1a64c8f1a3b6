from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from harness_core.testing import FakeTarget, HealthCheckContract
from harness_plugin_health.plugin import COMMAND, HTTP, LOG, TCP


@pytest.fixture(scope="class", autouse=True)
def service(request: pytest.FixtureRequest) -> Iterator[None]:
    """A service that lives as long as the class: its port is there when targets are made, before a case has a loop."""
    ready, loop, ports = threading.Event(), asyncio.new_event_loop(), []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        async with server:
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(5)
    request.cls.port = ports[0]
    yield
    loop.call_soon_threadsafe(stop.set)
    thread.join(5)
    loop.close()


def refusing_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class TestHttp(HealthCheckContract):
    offer = HTTP
    config = "http://127.0.0.1:8080/health"
    port: int

    def healthy_target(self) -> tuple[Any, FakeTarget]:
        return "/", FakeTarget(port=self.port)

    def unhealthy_target(self) -> tuple[Any, FakeTarget]:
        return {"path": "/", "status": 204}, FakeTarget(port=self.port)

    def config_at(self, port: int) -> Any:
        return {"port": port}


class TestTcp(HealthCheckContract):
    offer = TCP
    config = 6379
    port: int

    def healthy_target(self) -> tuple[Any, FakeTarget]:
        return {"send": "GET / HTTP/1.0\r\n\r\n", "expect": "200 OK"}, FakeTarget(port=self.port)

    def unhealthy_target(self) -> tuple[Any, FakeTarget]:
        return {}, FakeTarget(port=refusing_port())

    def config_at(self, port: int) -> Any:
        return {"port": port, "expect": "welcome"}


class TestCommand(HealthCheckContract):
    offer = COMMAND
    config = "true"
    dials = False

    def healthy_target(self) -> tuple[Any, FakeTarget]:
        return "true", FakeTarget()

    def unhealthy_target(self) -> tuple[Any, FakeTarget]:
        return ["false"], FakeTarget()


class TestLog(HealthCheckContract):
    offer = LOG
    config = "ready"
    dials = False

    def healthy_target(self) -> tuple[Any, FakeTarget]:
        return {"pattern": "ready"}, FakeTarget(lines=[b"starting", b"ready"])

    def unhealthy_target(self) -> tuple[Any, FakeTarget]:
        return "ready", FakeTarget(lines=[b"starting"])
