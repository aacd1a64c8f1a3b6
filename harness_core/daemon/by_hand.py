"""The handlers of what a person does by hand to one running service: commands inside, its output and input, its terminal."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Iterator
from typing import Any

from harness_core import protocol
from harness_core.contracts.command import Command
from harness_core.contracts.events import exit_to_json
from harness_core.contracts.execution import Session
from harness_core.contracts.output import Output, OutputQuery
from harness_core.daemon import refusal
from harness_core.daemon.execs import unknown
from harness_core.daemon.model import Call, Daemon
from harness_core.engine.signals import signal_name
from harness_core.protocol import MAX_WRITE

Result = dict[str, Any]

PIECE = 32 * 1024
"""Bytes of output an item; as text that is all escapes it still fits a frame."""
LARGEST = 10_000
"""Rows or columns."""


async def handle_signal_service(daemon: Daemon, call: Call, request: protocol.SignalService) -> Result:
    """Send a signal."""
    await daemon.manager.console.signal(request.project, request.service, request.signal, by=call.caller.name)
    return {}


async def handle_attach_service(daemon: Daemon, call: Call, request: protocol.AttachService) -> Result:
    """Stream what the present run writes, as it is; a slow client makes its own reading wait, never the service."""
    attachment = daemon.manager.console.attach(request.project, request.service)
    run = attachment.run
    # From now on, or a run that is disposed of as soon as it has ended could not be asked any more.
    ended = asyncio.ensure_future(run.handle.wait())
    try:
        first = {"type": "attached", "run": run.id, "stdin": attachment.stdin, "tty": attachment.tty}
        await call.stream.send((first,))
        async for chunk in run.output(OutputQuery(tail=max(0, request.tail), follow=True)):
            for item in _items(chunk):
                await call.stream.send((item,))
        return {"exit": exit_to_json(await ended)}
    finally:
        ended.cancel()


async def handle_write_stdin(daemon: Daemon, call: Call, request: protocol.WriteStdin) -> Result:
    """Feed a service's stdin or terminal."""
    await daemon.manager.console.write(request.project, request.service, _data(request.method, request.data))
    return {}


async def handle_resize_service(daemon: Daemon, call: Call, request: protocol.ResizeService) -> Result:
    """Tell a service's terminal its size."""
    rows, columns = _size(request.method, request.rows, request.columns)
    await daemon.manager.console.resize(request.project, request.service, rows=rows, columns=columns)
    return {}


async def handle_open_exec(daemon: Daemon, call: Call, request: protocol.OpenExec) -> Result:
    """Run a command inside, streaming what it writes; whatever ends this request, nothing of the command is left."""
    if not request.command:
        raise refusal.invalid(f"{request.method}: the command is empty")
    command = Command(
        request.command, dict(request.env or {}), request.cwd, stdin=request.stdin, tty=request.tty,
        size=_size(request.method, request.rows, request.columns),
    )  # fmt: skip
    # Before anything is waited for: what the client sends right after this request is about it.
    opened = call.execs.add(call.number)
    try:
        session = await daemon.manager.console.exec(request.project, request.service, command)
        opened.begin(session)
        try:
            return await _follow(session, call)
        finally:
            await session.aclose()
    finally:
        call.execs.remove(call.number)


async def handle_write_exec(daemon: Daemon, call: Call, request: protocol.WriteExec) -> Result:
    """Feed a command; the reply comes when it took the bytes."""
    data = _data(request.method, request.data)
    opened = call.execs.find(request.session)
    async with opened.writing:
        session = await opened.session()
        if session is None:
            raise unknown(request.session)
        await session.write(data)
    return {}


async def handle_resize_exec(daemon: Daemon, call: Call, request: protocol.ResizeExec) -> Result:
    """Tell a command's terminal its size."""
    rows, columns = _size(request.method, request.rows, request.columns)
    await (await _session(call, request.session)).resize(rows, columns)
    return {}


async def handle_signal_exec(daemon: Daemon, call: Call, request: protocol.SignalExec) -> Result:
    """Signal a command."""
    name = signal_name(request.signal)
    await (await _session(call, request.session)).signal(name)
    return {}


async def handle_close_exec(daemon: Daemon, call: Call, request: protocol.CloseExec) -> Result:
    """End a command and all that it started."""
    await (await _session(call, request.session)).aclose()
    return {}


async def _session(call: Call, id: int) -> Session:
    session = await call.execs.find(id).session()
    if session is None:
        raise unknown(id)
    return session


async def _follow(session: Session, call: Call) -> Result:
    await call.stream.send(({"type": "opened"},))
    async for chunk in session.output():
        for item in _items(chunk):
            await call.stream.send((item,))
    return {"exit": exit_to_json(await session.wait())}


def _items(chunk: Output) -> Iterator[Result]:
    """A chunk as items, every byte as it was."""
    lost = {"lost": chunk.lost} if chunk.lost else {}
    for start in range(0, len(chunk.data) or 1, PIECE):
        piece = chunk.data[start : start + PIECE]
        item: Result = {"type": "output", "stream": str(chunk.stream), **lost}
        lost = {}
        try:
            item["text"] = piece.decode()
        except UnicodeDecodeError:  # half a character at its end is reason enough
            item["base64"] = base64.b64encode(piece).decode()
        yield item


def _data(method: str, encoded: str | None) -> bytes | None:
    if encoded is None:
        return None
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise refusal.invalid(f"{method}: data is not base64") from None
    if len(data) > MAX_WRITE:
        raise refusal.invalid(f"{method}: {len(data):,} bytes at once", hint=f"at most {MAX_WRITE:,}; then wait for the reply")
    return data


def _size(method: str, rows: int, columns: int) -> tuple[int, int]:
    if not (1 <= rows <= LARGEST and 1 <= columns <= LARGEST):
        raise refusal.invalid(f"{method}: no terminal has {rows} rows and {columns} columns", hint=f"1 to {LARGEST:,} of each")
    return rows, columns
