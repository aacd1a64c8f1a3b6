"""One stream of events, numbered without gaps; slow readers lose their own oldest and are told."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness_core.contracts.events import Note
from harness_core.engine import bus as bus_module
from harness_core.engine.bus import Bus
from harness_core.testing import FakeClock


def told(bus: Bus, count: int, *, project: str = "p", service: str | None = "api") -> None:
    for number in range(count):
        bus.publish(Note, project=project, service=service, detail=str(number))


def seqs(items: list[dict[str, Any]]) -> list[int]:
    return [item["event"]["seq"] for item in items if item["type"] == "event"]


async def test_a_reader_that_comes_back_gets_what_it_missed() -> None:
    bus = Bus(FakeClock())
    told(bus, 5)

    subscription = bus.subscribe(epoch=bus.epoch, after=2)
    told(bus, 1)

    assert seqs(subscription.take()) == [3, 4, 5, 6]


async def test_a_reader_of_another_epoch_is_reset_and_gets_the_state() -> None:
    bus = Bus(FakeClock(), last_seq=41)
    told(bus, 1)

    subscription = bus.subscribe(epoch="other", after=3, state=lambda: [{"name": "api"}])

    assert subscription.take() == [{"type": "reset", "epoch": bus.epoch, "seq": 42, "services": [{"name": "api"}]}]


async def test_a_reader_from_the_future_or_from_before_all_memory_is_reset(monkeypatch: Any) -> None:
    monkeypatch.setattr(bus_module, "HISTORY", 3)
    bus = Bus(FakeClock())
    told(bus, 10)

    for after in (0, 6, 11):
        assert bus.subscribe(epoch=bus.epoch, after=after).take()[0]["type"] == "reset", after
    for after in (7, 10):
        assert seqs(bus.subscribe(epoch=bus.epoch, after=after).take()) == list(range(after + 1, 11))


async def test_a_slow_reader_is_told_what_it_lost_and_others_lose_nothing() -> None:
    bus = Bus(FakeClock())
    slow, quick = bus.subscribe(size=3), bus.subscribe(size=100)

    told(bus, 5)

    items = slow.take()
    assert items[0] == {"type": "lagged", "from": 1, "to": 2}
    assert seqs(items) == [3, 4, 5]
    assert seqs(quick.take()) == [1, 2, 3, 4, 5]


async def test_a_reset_is_never_what_a_slow_reader_loses() -> None:
    bus = Bus(FakeClock())
    subscription = bus.subscribe(epoch="other", after=0, size=3)

    told(bus, 5)

    items = subscription.take()
    assert [item["type"] for item in items] == ["reset", "lagged", "event", "event"]
    assert seqs(items) == [4, 5]


async def test_filters_choose_by_project_service_and_kind() -> None:
    bus = Bus(FakeClock())
    mine = bus.subscribe(project="p", services=["api"], kinds=["note"])

    told(bus, 1)
    told(bus, 1, project="q")
    told(bus, 1, service="db")
    told(bus, 1, service=None)

    assert seqs(mine.take()) == [1, 4]
    assert [body["seq"] for body in bus.recent(project="p", services=["db"])] == [3, 4]
    assert [body["seq"] for body in bus.recent(limit=2)] == [3, 4]


async def test_closing_ends_the_iteration_after_what_is_queued() -> None:
    bus = Bus(FakeClock())
    subscription = bus.subscribe()
    told(bus, 2)
    subscription.close()
    told(bus, 1)

    async with asyncio.timeout(5):
        assert [seqs(items) async for items in subscription] == [[1, 2]]


@given(st.lists(st.one_of(st.none(), st.integers(1, 7)), max_size=30), st.integers(1, 5))
def test_every_seq_is_either_delivered_or_told_as_lost(steps: list[int | None], size: int) -> None:
    bus = Bus(FakeClock())
    subscription = bus.subscribe(size=size)
    seen: list[int] = []
    for step in [*steps, None]:
        if step is not None:
            told(bus, step)
            continue
        for item in subscription.take():
            seen += [item["event"]["seq"]] if item["type"] == "event" else range(item["from"], item["to"] + 1)

    assert seen == list(range(1, bus.seq + 1))
