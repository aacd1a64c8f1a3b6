"""One context a distribution, one keeper for all."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from harness_core.contracts.clock import SystemClock
from harness_core.contracts.errors import Unreachable
from harness_core.engine.plugin_loans import PluginLoans


@asynccontextmanager
async def loans() -> AsyncIterator[PluginLoans]:
    with tempfile.TemporaryDirectory(prefix="h-") as folder:
        lender = PluginLoans(
            state_dir=Path(folder), clock=SystemClock(), log=logging.getLogger("harness.engine-tests"), report=lambda *_: None
        )
        try:
            yield lender
        finally:
            await lender.end_keeper()
            await lender.aclose()


def runs(pid: int) -> bool:
    """Whether a process runs; one that nobody has reaped yet does not."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_all_offers_of_a_distribution_get_one_context() -> None:
    async with loans() as lender:
        assert lender.context("a") is lender.context("a")
        assert lender.context("a") is not lender.context("b")


async def test_the_keeper_is_started_once_for_all_who_ask_at_once_and_ends_when_told() -> None:
    async with loans() as lender:
        assert lender.connected_keeper is None
        clients = await asyncio.gather(*(lender.context(name).keeper() for name in "abc"))
        pid = (await clients[0].keeper_stats()).pid

        assert len(set(map(id, clients))) == 1
        assert lender.connected_keeper is clients[0]
        os.kill(pid, 0)
        await lender.end_keeper()
        async with asyncio.timeout(10):
            while runs(pid):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_a_keeper_that_can_not_start_is_unreachable_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness_core.engine import plugin_loans
    from harness_core.keeper import StartFailed

    tried: list[int] = []

    async def fail(folder: Path, *, name: str) -> None:
        tried.append(1)
        raise StartFailed("no room for a socket")

    monkeypatch.setattr(plugin_loans, "ensure_local", fail)
    async with loans() as lender:
        for _ in range(2):
            with pytest.raises(Unreachable, match="no room for a socket"):
                await lender.keeper()

    assert len(tried) == 2


async def test_a_crash_in_the_background_of_a_plugin_is_remembered() -> None:
    async def crash() -> None:
        raise ZeroDivisionError("a bug")

    async with loans() as lender:
        lender.context("a").background(crash(), "watch")
        async with asyncio.timeout(5):
            while not lender.broken:  # noqa: ASYNC110
                await asyncio.sleep(0.002)

        assert lender.broken[0].startswith("plugin a broke: a:watch: ")
