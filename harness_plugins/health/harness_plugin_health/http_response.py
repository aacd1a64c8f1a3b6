"""HttpResponse: an answer read from a stream, with a bound on everything that the other side decides."""

from __future__ import annotations

import re
from asyncio import StreamReader
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from harness_plugin_health.excerpt import first_words

MAX_HEAD = 64 * 1024
"""Bytes of status line and headers, those of interim answers included."""
MAX_BODY = 1024 * 1024

_BLOCK = 64 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([1-5][0-9]{2})(?: .*)?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")
_TLS_ALERT = b"\x15\x03"


class BadAnswer(Exception):
    """What came back is not HTTP, breaks off or is too long; the message says which."""


@dataclass(slots=True)
class HttpResponse:
    """Status and headers; the body is read only by who wants it."""

    status: int
    headers: dict[str, str]
    """by lower-case name"""
    _source: _Source = field(repr=False)
    _bodiless: bool = False

    @classmethod
    async def read(cls, reader: StreamReader, method: str) -> HttpResponse:
        """The final answer's head; interim ones (1xx) are skipped."""
        source = _Source(reader)
        await _expect_http(source)
        left = MAX_HEAD
        while True:
            status, left = await _status(source, left)
            headers, left = await _headers(source, left)
            if status >= 200:
                return cls(status, headers, source, method == "HEAD" or status in (204, 304))

    async def body(self) -> AsyncIterator[bytes]:
        """The body in blocks, without transfer coding; ends at its end or at MAX_BODY."""
        if self._bodiless:
            return
        left = MAX_BODY
        async for block in self._coded():
            yield block[:left]
            left -= len(block)
            if left <= 0:
                return

    async def _coded(self) -> AsyncIterator[bytes]:
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            async for block in _chunks(self._source):
                yield block
        elif (length := self.headers.get("content-length")) is not None:
            if not re.fullmatch(r"[0-9]{1,18}", length):
                raise BadAnswer(f"its Content-Length is not a number: {length[:50]!r}")
            async for block in self._source.exactly(int(length)):
                yield block
        else:
            while block := await self._source.some(_BLOCK):
                yield block


class _Source:
    """A stream read in blocks, so that our bounds hold and not the stream's own."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._held = bytearray()

    async def peek(self, size: int) -> bytes:
        """The next bytes, which stay; fewer at the end."""
        while len(self._held) < size and await self._fill():
            pass
        return bytes(self._held[:size])

    async def line(self, limit: int) -> bytes:
        """The next line with its end; without one when the stream ends or the line is longer than the limit."""
        searched = 0
        while (end := self._held.find(b"\n", searched)) < 0 and len(self._held) <= limit:
            searched = len(self._held)
            if not await self._fill():
                break
        return self._cut(end + 1 if end >= 0 else limit)

    async def some(self, size: int) -> bytes:
        """At least one byte and at most `size`; empty at the end."""
        if not self._held:
            await self._fill()
        return self._cut(size)

    async def exactly(self, size: int) -> AsyncIterator[bytes]:
        """So many bytes, in blocks."""
        while size:
            block = await self.some(min(size, _BLOCK))
            if not block:
                raise BadAnswer("the answer broke off in its body")
            size -= len(block)
            yield block

    async def _fill(self) -> bool:
        block = await self._reader.read(_BLOCK)
        self._held += block
        return bool(block)

    def _cut(self, size: int) -> bytes:
        block = bytes(self._held[:size])
        del self._held[:size]
        return block


async def _expect_http(source: _Source) -> None:
    # Told by the first bytes: garbage may have no line end, and whoever sent it may wait for us.
    start = await source.peek(5)
    if not start:
        raise BadAnswer("closed the connection without an answer")
    if start.startswith(_TLS_ALERT):
        raise BadAnswer("answered in TLS: write https")
    if start != b"HTTP/":
        raise BadAnswer(f"not an HTTP answer: {first_words(await source.some(400))!r}")


async def _status(source: _Source, left: int) -> tuple[int, int]:
    line = await _head_line(source, left)
    found = _STATUS_LINE.fullmatch(line.rstrip(b"\r\n"))
    if not found:
        raise BadAnswer(f"not an HTTP answer: {first_words(line)!r}")
    return int(found[1]), left - len(line)


async def _headers(source: _Source, left: int) -> tuple[dict[str, str], int]:
    headers: dict[str, str] = {}
    while True:
        line = await _head_line(source, left)
        left -= len(line)
        if line in (b"\r\n", b"\n"):
            return headers, left
        if not line.endswith(b"\n"):
            raise BadAnswer("the answer broke off in its headers")
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), value.strip())


async def _head_line(source: _Source, left: int) -> bytes:
    line = await source.line(left)
    if len(line) >= left:
        raise BadAnswer(f"its headers are longer than {MAX_HEAD // 1024} KiB")
    return line


async def _chunks(source: _Source) -> AsyncIterator[bytes]:
    while True:
        size = await _chunk_size(source)
        if size == 0:
            # Trailers say nothing about health, and the connection is closed anyway.
            return
        async for block in source.exactly(size):
            yield block
        if await source.line(2) not in (b"\r\n", b"\n"):
            raise BadAnswer("a chunk of the answer is longer than it says")


async def _chunk_size(source: _Source) -> int:
    line = await source.line(1024)
    if not line.endswith(b"\n"):
        raise BadAnswer("the answer broke off in its body" if len(line) < 1024 else "a chunk of the answer has no size")
    found = _CHUNK_SIZE.fullmatch(line.strip())
    if not found:
        raise BadAnswer(f"a chunk of the answer has no size: {first_words(line, limit=50)!r}")
    return int(found[1], 16)
