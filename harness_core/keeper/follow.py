"""Turn stored output into a stream of chunks: from files on this machine, or asked from a keeper far away."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
from typing import Any, AsyncIterator, Awaitable, Callable

from harness_core.keeper.errors import NoSuchRun, Refused
from harness_core.keeper.model import Chunk
from harness_core.keeper.nudges import Nudges
from harness_core.keeper.server import reading

WAIT_FAR = 20.0


async def read_here(
    folder: str,
    *,
    cursor: str | None,
    since_ns: int | None,
    tail: int | None,
    follow: bool,
    nudges: Nudges,
    known: Callable[[], bool],
    ended: Callable[[], bool],
    end: Callable[[], Awaitable[None]],
) -> AsyncIterator[Chunk]:
    """Chunks read from the segment files themselves; ``ended`` is asked before each read, ``end`` awaited between.

    A run that has written nothing has no folder: whether there is such a run at all is what ``known`` tells.
    """
    if not known() and _gone(folder):
        raise NoSuchRun(f"no output is kept in {folder}")
    if follow:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)  # only what exists can be watched
    nudge = nudges.watch(folder) if follow else asyncio.Event()
    ending = asyncio.ensure_future(end()) if follow else None
    if ending is not None:
        ending.add_done_callback(lambda _: nudge.set())
    try:
        position = _locate(folder, cursor=cursor, since_ns=since_ns, tail=tail)
        while True:
            nudge.clear()
            # Asked before the read: everything written before the exit was published is then seen by it.
            final = not follow or ended() or (ending is not None and ending.done())
            before = position
            if not known() and _gone(folder):
                raise NoSuchRun("the output was disposed of while it was read")
            for piece in _read(folder, position):
                position = piece.end
                yield Chunk(piece.cursor, piece.at_ns, piece.stream, piece.data, piece.lost)
            if position != before:
                await asyncio.sleep(0)  # a torrent of output must not keep the loop from others
            elif final:
                return
            else:
                await nudge.wait()
    finally:
        nudges.unwatch(nudge)
        if ending is not None:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)


async def read_there(
    ask: Callable[..., Awaitable[dict[str, Any]]],
    run: str,
    *,
    cursor: str | None,
    since_ns: int | None,
    tail: int | None,
    follow: bool,
) -> AsyncIterator[Chunk]:
    """Chunks asked from the keeper, one request at a time: it sends no more than is consumed."""
    while True:
        reply = await ask(
            "read", WAIT_FAR + 10 if follow else None,
            run=run, cursor=cursor, since_ns=since_ns, tail=tail, wait=WAIT_FAR if follow else 0,
        )  # fmt: skip
        for at, at_ns, stream, data, lost in reply["chunks"]:
            yield Chunk(at, at_ns, stream, base64.b64decode(data), lost)
        cursor, since_ns, tail = reply["cursor"], None, None
        if not reply["chunks"] and (reply["ended"] or not follow):
            return


def _gone(folder: str) -> bool:
    return not os.path.isdir(folder)


def _read(folder: str, position: int) -> list[reading.Piece]:
    try:
        return list(reading.read(folder, position))
    except FileNotFoundError:
        raise NoSuchRun("the output was disposed of while it was read") from None


def _locate(folder: str, *, cursor: str | None, since_ns: int | None, tail: int | None) -> int:
    try:
        return reading.locate(folder, cursor=cursor, since_ns=since_ns, tail=tail)
    except reading.BadCursor as error:
        raise Refused(str(error), kind="bad-request") from None
    except FileNotFoundError:
        raise NoSuchRun("the output was disposed of") from None
