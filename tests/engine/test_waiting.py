"""Waits that end when they should: reached, impossible, over."""

from __future__ import annotations

import asyncio
from typing import Any

from harness_core.contracts.clock import SystemClock
from harness_core.engine.waiting import until_reached, until_stopped
from harness_core.testing import Behaviour


async def waited(bench: Any, *names: str, timeout: float | None = 5.0) -> bool:
    supervisors = [bench.supervisor(name) for name in names]
    return await until_reached(supervisors, clock=SystemClock(), timeout=timeout)


async def test_a_wait_ends_when_all_are_there(bench: Any) -> None:
    bench.world.script("b", Behaviour(launch_delay=0.1))
    await bench.apply({"a": {}, "b": {}})

    assert not await waited(bench, "a", "b")

    assert bench.world.running("b")


async def test_a_wait_ends_with_the_first_that_can_not_come(bench: Any) -> None:
    bench.world.script("a", Behaviour(launch_delay=30))
    bench.world.script("b", Behaviour(failures=-1, failure="permanent"))
    await bench.apply({"a": {}, "b": {}})

    async with asyncio.timeout(5):
        assert not await waited(bench, "a", "b", timeout=None)


async def test_a_wait_that_is_over_says_so_and_leaves_no_watch_behind(bench: Any) -> None:
    bench.world.script("a", Behaviour(launch_delay=30))
    await bench.apply({"a": {}})

    assert await waited(bench, "a", timeout=0.05)

    assert not bench.supervisor("a")._watchers


async def test_a_stop_that_is_not_done_in_time_says_so() -> None:
    done, open_ = asyncio.Event(), asyncio.Event()
    done.set()

    assert not await until_stopped([done], timeout=1)
    assert await until_stopped([done, open_], timeout=0.02)
