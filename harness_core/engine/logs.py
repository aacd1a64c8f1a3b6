"""Logs: the output of services by cursor, over their runs, merged in time order."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from harness_core.contracts.errors import HarnessError, Unreachable
from harness_core.contracts.output import Output, OutputQuery
from harness_core.engine.lines import LineAssembler, Position
from harness_core.engine.run import Run
from harness_core.engine.supervisor import Supervisor

Item = dict[str, Any]

READ_AHEAD = 512
"""Items of all followed services together that wait for the reader; a slow reader makes the sources wait, not the memory grow."""
AGAIN = 2.0
"""Seconds after which a place that could not be read is read again."""
IDLE_FLUSH = 0.2
"""Seconds after which an unfinished line (a prompt, a progress bar) is given out as it is."""


class BadCursor(HarnessError):
    """A log cursor is not one of ours."""

    kind = "logs.bad-cursor"


class Logs:
    """Reads what services wrote."""

    def __init__(self, find: Callable[[str, Sequence[str] | None], list[Supervisor]]) -> None:
        self._find = find

    async def read(
        self,
        project: str,
        services: Sequence[str] | None = None,
        *,
        cursors: Mapping[str, str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        tail: int | None = None,
        follow: bool = False,
        runs: bool = True,
    ) -> AsyncIterator[Item]:
        """Log items in time order: what is stored, then with `follow` what comes, over restarts, without end."""
        supervisors = self._find(project, services)
        starts = {name: _parse(text) for name, text in (cursors or {}).items()}
        readers = [_Reader(s, start=starts.get(s.name), since=since, until=until, tail=tail, all_runs=runs) for s in supervisors]
        async for item in _merged([reader.stored() for reader in readers]):
            yield item
        if follow:
            async for item in _as_they_come([reader.coming() for reader in readers]):
                yield item

    async def last_lines(self, supervisor: Supervisor, count: int, *, all_runs: bool = False) -> list[str]:
        """The last lines of the newest run, or of all that are kept."""
        reader = _Reader(supervisor, start=None, since=None, until=None, tail=count, all_runs=all_runs)
        lines: list[str] = []
        whole = True
        async for item in reader.stored():
            if whole:
                lines.append("")
            lines[-1] += item["text"]
            whole = item["end"]
        return lines[-count:]


class _Reader:
    """One service's lines over its runs."""

    def __init__(
        self,
        supervisor: Supervisor,
        *,
        start: Position | None,
        since: datetime | None,
        until: datetime | None,
        tail: int | None,
        all_runs: bool,
    ) -> None:
        self._supervisor = supervisor
        self._start = start
        self._since = since
        self._until = until
        self._tail = tail
        self._all_runs = all_runs
        self._at: Position | None = start

    async def stored(self) -> AsyncIterator[Item]:
        """What is stored now."""
        if self._tail is not None and self._start is None:
            for item in await self._last(self._tail):
                yield item
            return
        for run in self._runs():
            async for item in self._of(run, follow=False):
                yield item

    async def coming(self) -> AsyncIterator[Item]:
        """What comes after `stored`, over restarts, without end."""
        changed = asyncio.Event()
        with self._supervisor.watched_by(changed):
            while True:
                changed.clear()
                run = self._next_run()
                if run is None:
                    await changed.wait()
                    continue
                try:
                    async for item in self._of(run, follow=True):
                        yield item
                except Unreachable:
                    # What is written meanwhile is read, from here on, when the place answers again.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(AGAIN):
                            await changed.wait()
                    continue
                self._at = Position(run.id + "~")  # sorts after everything of this run, before the next

    def _runs(self) -> list[Run]:
        runs = list(self._supervisor.runs)
        if self._start is not None:
            return [run for run in runs if run.id >= self._start.run]
        return runs if self._all_runs else runs[-1:]

    def _next_run(self) -> Run | None:
        after = self._at.run if self._at else ""
        candidates = [run for run in self._supervisor.runs if run.id >= after]
        return candidates[0] if candidates else None

    async def _of(self, run: Run, *, follow: bool) -> AsyncIterator[Item]:
        start = self._at if self._at is not None and self._at.run == run.id else None
        lines = LineAssembler(self._supervisor.name, run.id, start)
        since: Any = start.cursor if start is not None and start.cursor is not None else None
        query = OutputQuery(since=since or (None if start else self._since), follow=follow)
        self._at = lines.position
        try:
            async with contextlib.aclosing(_with_pauses(run.output(query), IDLE_FLUSH if follow else None)) as chunks:
                async for chunk in chunks:
                    if self._until is not None and chunk is not None and chunk.at > self._until:
                        break
                    for item in lines.feed(chunk) if chunk is not None else lines.flush():
                        self._at = lines.position
                        yield item
                    self._at = lines.position
            for item in lines.flush():
                self._at = lines.position
                yield item
        except Unreachable:
            if follow:
                raise
        except HarnessError:
            # Nothing to read here: the other services' lines still count.
            return

    async def _last(self, count: int) -> list[Item]:
        """The last `count` lines over the newest runs."""
        found: deque[Item] = deque()
        missing = count
        newest: Position | None = None
        for run in reversed(self._runs()):
            items, position = await self._tail_of(run, missing)
            newest = newest or position
            found.extendleft(reversed(items))
            missing -= sum(1 for item in items if item["end"]) + (1 if items and not items[-1]["end"] else 0)
            if missing <= 0:
                break
        self._at = newest
        return list(found)

    async def _tail_of(self, run: Run, count: int) -> tuple[list[Item], Position]:
        lines = LineAssembler(self._supervisor.name, run.id)
        kept: deque[list[Item]] = deque(maxlen=max(count, 1))
        open_line: list[Item] = []
        try:
            async for chunk in run.output(OutputQuery(tail=max(count, 1))):
                if (self._since is not None and chunk.at < self._since) or (self._until is not None and chunk.at > self._until):
                    continue
                for item in lines.feed(chunk):
                    open_line.append(item)
                    if item["end"]:
                        kept.append(open_line)
                        open_line = []
            open_line.extend(lines.flush())
        except HarnessError:
            return [], lines.position
        if open_line:
            kept.append(open_line)
        return [item for line in kept for item in line] if count > 0 else [], lines.position


def _parse(text: str) -> Position:
    try:
        return Position.parse(text)
    except ValueError as error:
        raise BadCursor(f"not a log cursor: {text!r}", hint="use the `cursor` of a log item as it is") from error


async def _merged(sources: Sequence[AsyncIterator[Item]]) -> AsyncIterator[Item]:
    """Items of all sources in order of time; each source is in order already."""
    heap: list[tuple[str, int, Item]] = []
    for index, source in enumerate(sources):
        item = await anext(source, None)
        if item is not None:
            heapq.heappush(heap, (item["at"] or "", index, item))
    while heap:
        _, index, item = heapq.heappop(heap)
        yield item
        # A long line's pieces stay together: nothing comes between them.
        while (following := await anext(sources[index], None)) is not None and not item["end"]:
            item = following
            yield item
        if following is not None:
            heapq.heappush(heap, (following["at"] or "", index, following))


async def _as_they_come(sources: Sequence[AsyncIterator[Item]]) -> AsyncIterator[Item]:
    """Items of endless sources as they arrive, with bounded read-ahead."""
    queue: asyncio.Queue[Item | BaseException] = asyncio.Queue(READ_AHEAD)

    async def pump(source: AsyncIterator[Item]) -> None:
        try:
            async for item in source:
                await queue.put(item)
        except Exception as error:
            await queue.put(error)

    tasks = [asyncio.ensure_future(pump(source)) for source in sources]
    try:
        while True:
            item = await queue.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _with_pauses(source: AsyncIterator[Output], idle: float | None) -> AsyncGenerator[Output | None, None]:
    """The chunks, and None once whenever `idle` seconds passed without one."""
    if idle is None:
        async for chunk in source:
            yield chunk
        return
    coming: asyncio.Future[Output] | None = None
    fresh = False
    try:
        while True:
            if coming is None:
                coming = asyncio.ensure_future(_next(source))
            await asyncio.wait({coming}, timeout=idle if fresh else None)
            if not coming.done():
                fresh = False
                yield None
                continue
            try:
                chunk = coming.result()
            except StopAsyncIteration:
                return
            coming = None
            fresh = True
            yield chunk
    finally:
        if coming is not None and not coming.done():
            coming.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await coming


async def _next(source: AsyncIterator[Output]) -> Output:
    return await anext(source)
