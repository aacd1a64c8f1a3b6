"""FakeContext: what core lends to a plugin, for tests of the plugin alone."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from harness_core.contracts.clock import Clock, SystemClock
from harness_core.contracts.offer import Change
from harness_core.keeper import Client, ensure_local

T = TypeVar("T")
_KEEPER = "harness-keeper"


class FakeContext:
    """A whole `Context`: real threads, real tasks, a private folder; `reports` and `crashes` keep what a plugin said.

    Use it as an async context manager, or call `aclose`: it ends the tasks, closes what is shared and removes the folder.
    """

    def __init__(self, *, clock: Clock | None = None, state_dir: Path | None = None, threads: int = 8) -> None:
        self.clock: Clock = clock or SystemClock()
        self.log = logging.LoggerAdapter(logging.getLogger("harness.testing"), {})
        self.reports: list[tuple[str, Change]] = []
        """every (run, change) that was reported, oldest first"""
        self.crashes: dict[str, BaseException] = {}
        """by name: background tasks that ended with an error"""
        self._state_dir = state_dir
        self._own_dir = state_dir is None
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="harness-plugin")
        self._tasks: set[asyncio.Task[None]] = set()
        self._shared: dict[str, asyncio.Future[Any]] = {}

    @property
    def state_dir(self) -> Path:
        """A private folder, made on first use."""
        if self._state_dir is None:
            # Short, because sockets may be put there and their paths are limited to 107 bytes.
            self._state_dir = Path(tempfile.mkdtemp(prefix="harness-"))
        self._state_dir.mkdir(parents=True, exist_ok=True)
        return self._state_dir

    def report(self, run: str, change: Change) -> None:
        """Keep what a plugin noticed; appending to a list is safe from any thread."""
        self.reports.append((run, change))

    async def reported(self, run: str, kind: str, *, within: float = 5.0) -> Change:
        """The first change of `kind` reported about `run`; waits for it."""
        async with asyncio.timeout(within):
            while True:
                for about, change in self.reports:
                    if about == run and change.kind == kind:
                        return change
                await asyncio.sleep(0.005)

    async def blocking(self, fn: Callable[..., T], *args: Any, timeout: float) -> T:
        """Run `fn` in a bounded thread pool. When cancelled it waits until fn has settled, then re-raises."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, fn, *args)
        future.add_done_callback(_retrieved)
        try:
            done, _ = await asyncio.wait([future], timeout=timeout)
        except asyncio.CancelledError:
            await _settled(future)
            raise
        if not done:
            raise TimeoutError(f"{getattr(fn, '__name__', fn)} took longer than {timeout:g} s")
        return future.result()

    def background(self, coro: Coroutine[Any, Any, None], name: str) -> None:
        """Own a task until close; a crash is kept in `crashes`."""
        task = asyncio.get_running_loop().create_task(coro, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def keeper(self) -> Any:
        """A client of a real keeper of this context alone, started on first use; `aclose` ends it and all its runs."""
        return await self.shared(_KEEPER, lambda: ensure_local(self.state_dir / "keeper", name="testing"))

    def successor(self) -> FakeContext:
        """A context as a daemon would lend it after this one died: the same folder and keeper, nothing else in common.

        Close it before this one.
        """
        return FakeContext(clock=self.clock, state_dir=self.state_dir)

    async def shared(self, key: str, factory: Callable[[], Awaitable[T]]) -> T:
        """One object per key; a factory that failed is tried again by the next who asks."""
        known = self._shared.get(key)
        if known is not None:
            shared: T = await asyncio.shield(known)
            return shared
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_retrieved)
        self._shared[key] = future
        try:
            made = await factory()
        except BaseException as error:
            del self._shared[key]
            # Whoever waits for this attempt shares its failure, except that our cancellation is not theirs.
            cancelled = isinstance(error, asyncio.CancelledError)
            future.set_exception(RuntimeError(f"making {key} was cancelled") if cancelled else error)
            raise
        future.set_result(made)
        return made

    async def aclose(self) -> None:
        """End the tasks, close what is shared (newest first), free the threads, remove the folder."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        keeper = self._shared.get(_KEEPER)
        if self._own_dir and keeper is not None and keeper.done() and not keeper.exception():
            await _end_keeper(keeper.result())
        for future in reversed(list(self._shared.values())):
            if future.done() and not future.exception():
                close = getattr(future.result(), "aclose", None)
                if close is not None:
                    await close()
        self._shared.clear()
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        if self._own_dir and self._state_dir is not None:
            shutil.rmtree(self._state_dir, ignore_errors=True)

    async def __aenter__(self) -> FakeContext:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.crashes[task.get_name()] = error


async def _end_keeper(client: Client) -> None:
    """Kill whatever a test left running, and the keeper itself: a failed test must not leave processes behind."""
    for run in await client.list():
        if run.exit is None:
            await client.kill(run.run)
    await client.shutdown(force=True)


async def _settled(future: asyncio.Future[Any]) -> None:
    """Return when `future` is done, however often the caller is cancelled meanwhile."""
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            continue


def _retrieved(future: asyncio.Future[Any]) -> None:
    # Nobody may be left to read the error, and asyncio would complain about that when it is collected.
    if not future.cancelled():
        future.exception()
