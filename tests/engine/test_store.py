"""What is remembered, whatever happens between two commits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from harness_core.contracts.errors import Full
from harness_core.contracts.registry import Change
from harness_core.contracts.run import Exit, HandleState
from harness_core.engine.store import Outcome, RunRecord, Store, Wish
from harness_core.testing import MemoryRegistry, MemoryStore


class Dying(MemoryRegistry):
    """Takes so many commits, then none."""

    def __init__(self, store: MemoryStore, commits: int) -> None:
        super().__init__(store)
        self.left = commits

    async def commit(self, changes: Sequence[Change]) -> int:
        if self.left == 0:
            raise Full("no room")
        self.left -= 1
        return await super().commit(changes)


async def a_store(memory: MemoryStore, *, commits: int | None = None) -> Store:
    registry = MemoryRegistry(memory) if commits is None else Dying(memory, commits)
    await registry.open({})
    return Store(registry, logging.getLogger("harness.engine-tests"))


def many(bench: Any, count: int, **keys: Any) -> Any:
    return bench.project({f"s{number:03}": keys for number in range(count)})


async def test_a_configuration_of_many_commits_is_old_or_new_and_never_a_mixture(bench: Any) -> None:
    old, new = many(bench, 150), many(bench, 120, env={"NEW": "1"})
    for commits in range(10):
        memory = MemoryStore()
        await (await a_store(memory)).save_project(old, {name: Wish(up=True) for name in old.services})
        dying = await a_store(memory, commits=commits)
        await dying.load()
        try:
            await dying.save_project(new, {name: Wish(up=True) for name in new.services})
            saved = True
        except Full:
            saved = False

        found = (await (await a_store(memory)).load()).projects[old.id]

        assert found.services == (new if saved else old).services, commits
    assert saved


async def test_a_try_that_failed_half_way_leaves_no_trace_in_the_next(bench: Any) -> None:
    memory = MemoryStore()
    registry = Dying(memory, 1)
    await registry.open({})
    store = Store(registry, logging.getLogger("harness.engine-tests"))
    with pytest.raises(Full):
        await store.save_project(many(bench, 90), {})

    registry.left = 1000
    await store.save_project(many(bench, 3), {})

    assert len((await (await a_store(memory)).load()).projects["shop-1"].services) == 3


async def test_leftovers_of_a_crash_do_not_swallow_the_next_configuration(bench: Any) -> None:
    memory = MemoryStore()
    await (await a_store(memory)).save_project(many(bench, 2), {})
    dying = await a_store(memory, commits=1)
    await dying.load()
    with pytest.raises(Full):
        await dying.save_project(many(bench, 90), {})

    next_one = await a_store(memory)
    await next_one.load()
    await next_one.save_project(many(bench, 5), {})
    await next_one.flush()

    assert len((await (await a_store(memory)).load()).projects["shop-1"].services) == 5
    assert len([key for key in memory.records if key[0] == "service"]) == 5


async def test_wishes_and_runs_come_back_as_they_were() -> None:
    memory = MemoryStore()
    store = await a_store(memory)
    wish = Wish(up=True, outcome=Outcome("failed", "why", Exit(3), "d1"), ports={"http": 8080})
    record = RunRecord(
        "p", "api", "r1", "fake", {"service": "api"}, HandleState(2, {"pid": 1}), "2030-01-01T00:00:00+00:00", Exit(signal="TERM")
    )

    await store.save_wishes("p", {"api": wish, "db": Wish()})
    store.save_run_later(record)
    await store.flush()
    found = await (await a_store(memory)).load()

    assert found.wishes == {("p", "api"): wish, ("p", "db"): Wish(ports={})}
    assert found.runs == [record]


async def test_an_intent_outlives_older_news_and_newer_news_outlive_it() -> None:
    memory = MemoryStore()
    registry = MemoryRegistry(memory)
    await registry.open({})
    store = Store(registry, logging.getLogger("harness.engine-tests"))
    store.save_wish_later("p", "api", Wish(up=True))
    await store.save_wishes("p", {"api": Wish(up=False)})
    await store.flush()
    assert memory.records["wish", "p/api"].value["up"] is False

    commit = registry.commit

    async def meanwhile(changes: Sequence[Change]) -> int:
        revision = await commit(changes)
        store.save_wish_later("p", "api", Wish(up=True, outcome=Outcome("completed", "", Exit(0), "d")))
        return revision

    registry.commit = meanwhile  # type: ignore[method-assign]
    await store.save_wishes("p", {"api": Wish(up=False)})
    registry.commit = commit  # type: ignore[method-assign]
    await store.flush()

    value = memory.records["wish", "p/api"].value
    assert (value["up"], value["outcome"]["state"]) == (False, "completed")


async def test_news_wait_for_a_store_that_refuses_them_and_keep_their_order() -> None:
    memory = MemoryStore()
    store = await a_store(memory)
    writing = asyncio.ensure_future(store.flush_for_ever())
    memory.fault = Full("no room")
    for seq in range(1, 6):
        store.append_later(seq, {"seq": seq})
    async with asyncio.timeout(5):
        while store.trouble is None:  # noqa: ASYNC110 - told by no event
            await asyncio.sleep(0.01)
        assert store.trouble == "no room"
        memory.fault = None
        while store.trouble is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    writing.cancel()
    await asyncio.wait({writing})

    assert [event.seq for event in memory.events] == [1, 2, 3, 4, 5]


async def test_a_backend_that_crashes_does_not_end_the_writing(monkeypatch: Any) -> None:
    memory = MemoryStore()
    registry = MemoryRegistry(memory)
    await registry.open({})
    store = Store(registry, logging.getLogger("harness.engine-tests"))
    append = registry.append

    async def crash(events: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(registry, "append", crash)
    writing = asyncio.ensure_future(store.flush_for_ever())
    store.append_later(1, {"seq": 1})
    async with asyncio.timeout(5):
        while store.trouble is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        monkeypatch.setattr(registry, "append", append)
        while not memory.events:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    writing.cancel()
    await asyncio.wait({writing})

    assert memory.events[0].seq == 1
