"""PluginContext: what core lends to the offers of one distribution."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from harness_core.contracts.clock import Clock
from harness_core.contracts.offer import Change

T = TypeVar("T")

THREADS = 8
"""Threads per distribution for calls that block."""


class PluginContext:
    """One distribution's loan: logger, clock, folder, threads, background tasks, shared objects, the keeper."""

    def __init__(
        self,
        distribution: str,
        *,
        log: logging.Logger,
        clock: Clock,
        state_dir: Path,
        report: Callable[[str, Change], None],
        keeper: Callable[[], Awaitable[Any]],
        broken: Callable[[str, str], None],
    ) -> None:
        self.distribution = distribution
        self.log = logging.LoggerAdapter(log, {"plugin": distribution})
        self.clock = clock
        self._state_dir = state_dir / "plugins" / distribution
        self._report = report
        self._keeper = keeper
        self._broken = broken
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=distribution)
        self._tasks: set[asyncio.Task[None]] = set()
        self._shared: dict[str, asyncio.Future[Any]] = {}

    @property
    def state_dir(self) -> Path:
        """The distribution's private folder; made on first use."""
        self._state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._state_dir

    def report(self, run: str, change: Change) -> None:
        """Pass news about a run to core, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(self._report, run, change)

    async def blocking(self, fn: Callable[..., T], *args: Any, timeout: float) -> T:
        """What `fn` returns, run in a thread. TimeoutError after `timeout` seconds; a cancel waits until fn has settled."""
        future = self._loop.run_in_executor(self._threads, fn, *args)
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(future)
        except asyncio.CancelledError:
            # What fn does can't be undone half-way: the caller's clean-up must find it finished.
            await asyncio.wait({future})
            future.exception()
            raise

    def background(self, coro: Coroutine[Any, Any, None], name: str) -> None:
        """Own a task until close; its crash marks the plugin broken."""
        task = self._loop.create_task(coro, name=f"{self.distribution}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._background_ended)

    async def keeper(self) -> Any:
        """The daemon's local keeper, connected."""
        return await self._keeper()

    async def shared(self, key: str, factory: Callable[[], Awaitable[T]]) -> T:
        """One object per key; a factory that failed is tried again by the next caller."""
        if key not in self._shared:
            future = self._shared[key] = self._loop.create_future()
            try:
                future.set_result(await factory())
            except BaseException as error:
                del self._shared[key]
                # Whoever waits for this attempt shares its failure, except that our cancellation is not theirs.
                cancelled = isinstance(error, asyncio.CancelledError)
                future.set_exception(RuntimeError(f"making {key} was cancelled") if cancelled else error)
                future.exception()
                raise
        result: T = await asyncio.shield(self._shared[key])
        return result

    async def aclose(self) -> None:
        """End the background tasks and close what is shared."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for key, future in list(self._shared.items()):
            closing = getattr(future.result() if future.done() else None, "aclose", None)
            if closing is not None:
                try:
                    await closing()
                except Exception:
                    self.log.warning("closing %s failed", key, exc_info=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self.log.error("background task %s crashed", task.get_name(), exc_info=error)
            self._broken(self.distribution, f"{task.get_name()}: {error!r}")
