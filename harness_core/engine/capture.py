"""Capture: the output of executors that store none, kept by core in the keeper's own segment format."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from harness_core.contracts.errors import HarnessError, Unreachable
from harness_core.contracts.execution import AttachedHandle
from harness_core.contracts.output import Cursor, Output, OutputQuery, Stream
from harness_core.contracts.run import LaunchSpec
from harness_core.keeper import NoSuchRun, Refused
from harness_core.keeper.follow import read_here
from harness_core.keeper.nudges import Nudges
from harness_core.keeper.server.segments import Segments

SETTLE = 5.0
"""Seconds that the end of a run waits for the rest of its output."""
AGAIN = 2.0
"""Seconds between attempts to read where reading failed."""
_NUMBER = {Stream.OUT: 1, Stream.ERR: 2, Stream.MIXED: 3}


class Capture:
    """What one run wrote, stored in a folder; read by cursor like any stored output."""

    def __init__(self, folder: Path, nudges: Nudges, log: logging.Logger) -> None:
        self._folder = folder
        self._nudges = nudges
        self._log = log
        self._task: asyncio.Task[None] | None = None

    def follow(self, handle: AttachedHandle, spec: LaunchSpec) -> None:
        """Store what the run writes until its end, from where an earlier daemon left off."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._task = asyncio.get_running_loop().create_task(self._store(handle, spec), name=f"capture:{spec.run}")

    async def settled(self) -> None:
        """Return once everything that the ended run wrote is stored, or `SETTLE` seconds were over."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=SETTLE)

    async def aclose(self) -> None:
        """Stop storing; what is stored stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def dispose(self) -> None:
        """Forget what is stored."""
        await self.aclose()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def output(self, query: OutputQuery) -> AsyncIterator[Output]:
        """What is stored, as a handle with DURABLE_OUTPUT would give it."""
        since_ns = int(query.since.timestamp() * 1e9) if isinstance(query.since, datetime) else None
        chunks = read_here(
            str(self._folder),
            cursor=query.since if isinstance(query.since, str) else None,
            since_ns=since_ns,
            tail=query.tail,
            follow=query.follow,
            nudges=self._nudges,
            known=lambda: False,  # here the folder is there from the start
            ended=lambda: self._task is None or self._task.done(),
            end=self._ended,
        )
        try:
            async for chunk in chunks:
                at = datetime.fromtimestamp(chunk.at_ns / 1e9, UTC)
                yield Output(Cursor(chunk.cursor), at, Stream(chunk.stream), chunk.data, lost=chunk.lost)
        except NoSuchRun as error:
            raise HarnessError(f"its output is gone: {error}") from error
        except Refused as error:
            raise HarnessError(str(error)) from error

    async def _ended(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _store(self, handle: AttachedHandle, spec: LaunchSpec) -> None:
        segments = Segments(
            str(self._folder),
            max_size=spec.logs.max_size,
            keep=spec.logs.keep,
            on_trouble=lambda what: self._log.warning("output of run %s: %s", spec.run, what),
        )
        try:
            segments.resume()
            while True:
                try:
                    await self._copy(handle, segments)
                    return
                except Unreachable:
                    # What was written meanwhile comes when the place can be asked again.
                    await asyncio.sleep(AGAIN)
        except HarnessError as error:
            self._log.warning("the output of run %s can't be read: %s", spec.run, error)
        except Exception:
            self._log.exception("storing the output of run %s", spec.run)
        finally:
            segments.finish()

    async def _copy(self, handle: AttachedHandle, segments: Segments) -> None:
        mark, fresh = self._folder / "source", self._folder / "source.new"
        known = mark.read_text() if mark.exists() else ""
        query = OutputQuery(since=Cursor(known) if known else None, follow=True)
        async with contextlib.aclosing(handle.output(query)) as chunks:  # type: ignore[type-var]  # generators can be closed
            async for chunk in chunks:
                if chunk.data:
                    segments.put(memoryview(chunk.data), _NUMBER[chunk.stream])
                # After the bytes: a crash between the two repeats a chunk, and loses none.
                fresh.write_text(chunk.cursor)
                fresh.replace(mark)


class Captures:
    """All captures of one daemon, by run."""

    def __init__(self, folder: Path, log: logging.Logger) -> None:
        self._folder = folder
        self._log = log
        self._nudges = Nudges()
        self._live: set[Capture] = set()

    def of(self, handle: AttachedHandle, spec: LaunchSpec) -> Capture:
        """The stored output of a run; while the run lives, what it writes is added."""
        capture = Capture(self._folder / spec.run, self._nudges, self._log)
        self._live.add(capture)
        capture.follow(handle, spec)
        return capture

    async def dispose(self, capture: Capture) -> None:
        """Forget what one run wrote."""
        self._live.discard(capture)
        await capture.dispose()

    async def aclose(self) -> None:
        """Stop storing; what is stored stays."""
        await asyncio.gather(*(capture.aclose() for capture in self._live))
        self._nudges.close()
