"""Looks at programs and folders, each made once for all who ask for the same at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from harness_core.contracts.offer import Context


class Looks:
    """A hundred services of one program cost one look, and one thread. Nothing is remembered once a look has ended."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._under_way: dict[Hashable, asyncio.Task[None]] = {}

    async def at(self, what: Hashable, look: Callable[[], None], *, timeout: float) -> None:
        """Return when a look that began at the earliest now, or is under way, found nothing wrong; raises what it raises."""
        task = self._under_way.get(what)
        if task is None:
            task = self._under_way[what] = asyncio.ensure_future(self._context.blocking(look, timeout=timeout))
            task.add_done_callback(lambda ended: self._ended(what, ended))
        # Others may wait for it too: one of them going away must not end it.
        await asyncio.shield(task)

    async def aclose(self) -> None:
        """Wait for no look any more."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, what: Hashable, task: asyncio.Task[None]) -> None:
        del self._under_way[what]
        if not task.cancelled():
            task.exception()  # retrieved here: nobody may be waiting any more
