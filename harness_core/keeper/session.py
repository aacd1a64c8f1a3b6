"""A transient command at the keeper's place: a health check, or a person's ``harness exec``."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable

from harness_core.keeper.errors import LinkLost, NoSuchRun
from harness_core.keeper.model import ExecChunk, RunExit, exit_from_wire

if TYPE_CHECKING:
    from harness_core.keeper.link import Link


class ExecSession:
    """A running transient command; made by ``Client.exec`` alone. It dies as a tree with ``aclose`` or with the link."""

    def __init__(
        self, link: Link, *, name: str, timeout: float, window: int | None, forget: Callable[[str], None]
    ) -> None:
        self._link = link
        self._name = name
        self._window = window
        self._timeout = timeout
        self._forget = forget
        self._chunks: asyncio.Queue[ExecChunk | None] = asyncio.Queue()
        self._ended: asyncio.Future[RunExit] = asyncio.get_running_loop().create_future()
        self.pid = 0

    async def output(self) -> AsyncIterator[ExecChunk]:
        """What the command writes, until all of it was delivered. For one reader, who makes room for more by reading."""
        read = 0
        while True:
            chunk = await self._chunks.get()
            if chunk is None:
                self._chunks.put_nowait(None)
                return
            yield chunk
            read += len(chunk.data)
            if self._window is not None and read >= self._window // 4:
                self._link.post({"op": "exec-read", "exec": self._name, "bytes": read})
                read = 0

    async def wait(self) -> RunExit:
        """How the command ended; raises LinkLost when the link died before that was known."""
        return await asyncio.shield(self._ended)

    async def write(self, data: bytes | None) -> None:
        """Feed its standard input; None closes it. Returns once the command took it, or ended."""
        encoded = None if data is None else base64.b64encode(data).decode()
        # Without a bound in time: a command may read when it likes, and what was sent once must not be sent again.
        await self._link.request("exec-write", timeout=None, exec=self._name, data=encoded)

    async def resize(self, *, rows: int, columns: int) -> None:
        """Tell its terminal the new size."""
        await self._ask("exec-resize", rows=rows, columns=columns)

    async def signal(self, name: str) -> None:
        """Signal its process group, as a terminal would: ``"INT"``, ``"TERM"``, …"""
        await self._ask("exec-signal", signal=name)

    async def aclose(self) -> None:
        """Leave nothing of it running; raises SurvivorsError naming what could not be killed."""
        try:
            await self._ask("exec-close", timeout=self._timeout + 2, within=self._timeout)
        except (NoSuchRun, LinkLost):
            return  # gone already; the keeper kills it when the link dies
        finally:
            self._forget(self._name)

    async def _ask(self, op: str, *, timeout: float | None = None, **fields: Any) -> None:
        await self._link.request(op, timeout=timeout or self._timeout, exec=self._name, **fields)

    def feed(self, message: dict[str, Any]) -> None:
        """Take one message of the wire that concerns this session."""
        if "exit" in message:
            if not self._ended.done():
                self._ended.set_result(exit_from_wire(message["exit"]))
        elif message.get("end"):
            self._chunks.put_nowait(None)
        else:
            data = base64.b64decode(message["data"])
            self._chunks.put_nowait(ExecChunk(stream=message["stream"], data=data, dropped=message.get("dropped", 0)))

    def cut(self, cause: str) -> None:
        """Take note that the link is gone, and the command with it."""
        if not self._ended.done():
            self._ended.set_exception(LinkLost(f"the link was lost while the command ran ({cause})"))
            self._ended.exception()  # retrieved here: nobody may be waiting
        self._chunks.put_nowait(None)
