"""PluginLoans: one context a distribution, and the daemon's one local keeper."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from harness_core.contracts.clock import Clock
from harness_core.contracts.errors import Unreachable
from harness_core.contracts.offer import Change
from harness_core.engine.context import PluginContext
from harness_core.keeper import Client, KeeperError, ensure_local

KEEPER_NAME = "daemon"
END_TIMEOUT = 0.5
"""Seconds for a keeper to say whether it ends: the daemon's own end waits for it."""


class PluginLoans:
    """Makes what core lends to plugins, and takes it back."""

    def __init__(self, *, state_dir: Path, clock: Clock, log: logging.Logger, report: Callable[[str, Change], None]) -> None:
        self._state_dir = state_dir
        self._clock = clock
        self._log = log
        self._report = report
        self._contexts: dict[str, PluginContext] = {}
        self._keeper: asyncio.Task[Client] | None = None
        self.broken: list[str] = []
        """Distributions whose background task crashed, with the cause."""

    def context(self, distribution: str) -> PluginContext:
        """The distribution's context; all its offers get the same one."""
        if distribution not in self._contexts:
            self._contexts[distribution] = PluginContext(
                distribution,
                log=self._log,
                clock=self._clock,
                state_dir=self._state_dir,
                report=self._report,
                keeper=self.keeper,
                broken=lambda name, cause: self.broken.append(f"plugin {name} broke: {cause}"),
            )
        return self._contexts[distribution]

    async def keeper(self) -> Client:
        """The local keeper, started when none answers; raises Unreachable."""
        if self._keeper is None or (self._keeper.done() and (self._keeper.cancelled() or self._keeper.exception())):
            self._keeper = asyncio.ensure_future(ensure_local(self._state_dir / "keeper", name=KEEPER_NAME))
        try:
            return await asyncio.shield(self._keeper)
        except KeeperError as error:
            raise Unreachable(f"the keeper can't be reached: {error}", hint="see `harness daemon logs`") from error

    @property
    def connected_keeper(self) -> Client | None:
        """The keeper, if one was needed so far."""
        task = self._keeper
        return task.result() if task and task.done() and not task.cancelled() and task.exception() is None else None

    async def end_keeper(self) -> None:
        """End the keeper if nothing runs under it; a keeper that still has runs stays."""
        keeper = self.connected_keeper
        if keeper is None:
            return
        try:
            await keeper.shutdown(timeout=END_TIMEOUT)
        except KeeperError as error:
            self._log.info("the keeper stays: %s", error)

    async def aclose(self) -> None:
        """Take everything back; the keeper and what it keeps live on."""
        for context in self._contexts.values():
            await context.aclose()
        if self._keeper is not None and not self._keeper.done():
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        keeper = self.connected_keeper
        if keeper is not None:
            await keeper.aclose()
