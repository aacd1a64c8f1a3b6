"""One live conversation with a keeper over any byte stream, reopened whenever it breaks."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Awaitable, Callable, Protocol

from harness_core.keeper.errors import CallTimeout, KeeperError, LinkLost, from_wire

FRAME_LIMIT = 64 << 20
RETRY_FIRST, RETRY_MOST = 0.05, 5.0


class ByteReader(Protocol):
    """The reading half of a stream; ``asyncio.StreamReader`` is one."""

    async def read(self, n: int = -1) -> bytes:
        """Some bytes, or none at the stream's end."""


class ByteWriter(Protocol):
    """The writing half of a stream; ``asyncio.StreamWriter`` is one."""

    def write(self, data: bytes) -> None:
        """Queue bytes."""

    async def drain(self) -> None:
        """Return when the queue is short enough."""

    def close(self) -> None:
        """End the stream."""


OpenStream = Callable[[], Awaitable["tuple[ByteReader, ByteWriter]"]]
Greet = Callable[[], Awaitable[None]]
Take = Callable[["dict[str, Any]"], None]


class Link:
    """Requests and replies over a stream that is reopened after each loss; ``on_message`` gets all that is no reply."""

    def __init__(self, open_stream: OpenStream, *, greet: Greet, on_message: Callable[[dict[str, Any]], None]) -> None:
        self._open_stream = open_stream
        self._greet = greet
        self._on_message = on_message
        self._writer: ByteWriter | None = None
        self._pending: dict[int, tuple[asyncio.Future[dict[str, Any]], Take | None]] = {}
        self._next_id = 0
        self._held = ""
        self._task: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._moves: list[asyncio.Future[None]] = []
        self.up = False
        self.cause: Exception = LinkLost("not connected to a keeper yet")
        self.on_change: Callable[[bool, str], None] = lambda up, cause: None

    async def start(self, *, timeout: float) -> None:
        """Return when the first conversation is open; raise what prevented it otherwise."""
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.ensure_future(self._live(first))
        try:
            await asyncio.wait_for(asyncio.shield(first), timeout)
        except asyncio.TimeoutError:
            await self.aclose()
            raise CallTimeout(f"no keeper answered within {timeout:g} s ({self.cause})") from None
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """End the conversation for good."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    async def regained(self, *, timeout: float) -> bool:
        """True as soon as a conversation is open, False when the time is over first."""
        try:
            await asyncio.wait_for(self._settled.wait(), timeout)
        except asyncio.TimeoutError:
            return False
        return self.up

    async def moved(self, *, timeout: float) -> bool:
        """True as soon as the link is lost or regained, False when the time is over first."""
        move: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._moves.append(move)
        try:
            await asyncio.wait_for(move, max(0.0, timeout))
        except asyncio.TimeoutError:
            return False
        return True

    def post(self, message: dict[str, Any]) -> None:
        """Send what needs no reply; silently nothing on a lost link, which says so by itself."""
        self.post_text(json.dumps(message, separators=(",", ":")))

    def post_text(self, message: str) -> None:
        """``post`` what is JSON already."""
        if self._writer is not None:
            held, self._held = self._held, ""
            self._writer.write((held + message).encode() + b"\n")

    def hold(self, line: str) -> None:
        """Send a line together with the next message, instead of one that is held already; nothing on a lost link."""
        self._held = line if self._writer is not None else ""

    def release(self) -> None:
        """Send what is held, if anything still is."""
        if self._held and self._writer is not None:
            self._writer.write(self._held.encode())
        self._held = ""

    def expect(self, take: Take | None = None) -> tuple[int, asyncio.Future[dict[str, Any]]]:
        """A fresh request id and the future of its reply.

        ``take`` sees the reply before any later message of the stream does; the future's owner runs after those.
        """
        self._next_id += 1
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[self._next_id] = reply, take
        return self._next_id, reply

    async def request(self, op: str, *, timeout: float | None, take: Take | None = None, **fields: Any) -> dict[str, Any]:
        """The keeper's reply; raises LinkLost, CallTimeout (never with ``timeout`` None) or what the keeper refused with."""
        if self._writer is None:
            raise LinkLost(f"no link to the keeper ({self.cause})")
        number, reply = self.expect(take)
        self.post({"op": op, "id": number, **fields})
        return await self.reply(number, reply, what=op, timeout=timeout)

    async def reply(
        self, number: int, reply: asyncio.Future[dict[str, Any]], *, what: str, timeout: float | None
    ) -> dict[str, Any]:
        """What was answered to the request ``number``, within its time."""
        # Not wait_for: before Python 3.12 it swallows a cancellation that comes together with the answer. A timer of our own
        # costs a third of what asyncio.wait does.
        timer = None if timeout is None else asyncio.get_running_loop().call_later(timeout, _expire, reply, what, timeout)
        try:
            return await reply
        finally:
            if timer is not None:
                timer.cancel()
            self._pending.pop(number, None)
            if not reply.cancel() and not reply.cancelled():
                reply.exception()  # retrieved here: whoever asked may have been cancelled meanwhile

    async def _live(self, first: asyncio.Future[None]) -> None:
        delay = RETRY_FIRST
        while True:
            try:
                await self._converse(first)
                delay = RETRY_FIRST
            except (OSError, EOFError, KeeperError, ValueError) as error:
                self.cause = error
                if self.up:
                    delay = RETRY_FIRST
                if not first.done():
                    first.set_exception(error if isinstance(error, KeeperError) else LinkLost(str(error)))
                    return
            finally:
                self._lose()
            await asyncio.sleep(delay)
            delay = min(RETRY_MOST, delay * 2)

    async def _converse(self, first: asyncio.Future[None]) -> None:
        reader, self._writer = await self._open_stream()
        listening = asyncio.ensure_future(self._listen(reader))
        greeting = asyncio.ensure_future(self._greet())
        try:
            await asyncio.wait({listening, greeting}, return_when=asyncio.FIRST_COMPLETED)
            if not greeting.done():
                listening.result()
            greeting.result()
            self.up = True
            self._settled.set()
            if first.done():
                self._tell(True, "")
            else:
                first.set_result(None)
            await listening
        finally:
            for task in (listening, greeting):
                task.cancel()
            await asyncio.gather(listening, greeting, return_exceptions=True)

    async def _listen(self, reader: ByteReader) -> None:
        buffer = bytearray()
        while True:
            data = await reader.read(1 << 18)
            if not data:
                raise EOFError("the keeper closed the stream")
            buffer += data
            if b"\n" not in data:
                if len(buffer) > FRAME_LIMIT:
                    raise ValueError("the keeper sent a frame without end")
                continue
            *lines, rest = bytes(buffer).split(b"\n")
            buffer = bytearray(rest)
            for line in lines:
                self._dispatch(json.loads(line))

    def _dispatch(self, message: dict[str, Any]) -> None:
        if "re" not in message:
            self._on_message(message)
            return
        reply, take = self._pending.pop(message["re"], (None, None))
        if reply is None or reply.done():
            return
        if "error" in message:
            reply.set_exception(from_wire(message["error"]))
            return
        if take is not None:
            take(message)
        reply.set_result(message)

    def _lose(self) -> None:
        was_up, self.up = self.up, False
        self._settled.clear()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._held = ""
        for reply, _ in self._pending.values():
            if not reply.done():
                reply.set_exception(LinkLost(f"the link to the keeper was lost ({self.cause})"))
                reply.exception()  # retrieved here: nobody may be waiting any more
        self._pending.clear()
        if was_up:
            self._tell(False, str(self.cause))

    def _tell(self, up: bool, cause: str) -> None:
        for move in self._moves:
            if not move.done():
                move.set_result(None)
        self._moves.clear()
        self.on_change(up, cause)


def _expire(reply: asyncio.Future[dict[str, Any]], what: str, timeout: float) -> None:
    if not reply.done():
        reply.set_exception(CallTimeout(f"the keeper did not answer {what!r} within {timeout:g} s"))
