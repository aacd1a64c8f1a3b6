"""Logs over runs and services: order, tails, cursors, followers."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness_core.contracts.events import State
from harness_core.contracts.output import Stream
from harness_core.engine.logs import BadCursor
from harness_core.testing import Behaviour


async def read(bench: Any, services: list[str] | None = None, **query: Any) -> list[dict[str, Any]]:
    return [item async for item in bench.manager.logs.read("shop-1", services, **query)]


async def texts(bench: Any, services: list[str] | None = None, **query: Any) -> list[str]:
    return [item["text"] for item in await read(bench, services, **query)]


class Follower:
    """Collects what a follower gets."""

    def __init__(self, bench: Any, **query: Any) -> None:
        self.items: list[dict[str, Any]] = []
        self._task = asyncio.ensure_future(self._follow(bench, query))

    async def _follow(self, bench: Any, query: dict[str, Any]) -> None:
        async for item in bench.manager.logs.read("shop-1", follow=True, **query):
            self.items.append(item)

    @property
    def texts(self) -> list[str]:
        return [item["text"] for item in self.items]

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})


async def test_lines_of_several_services_come_in_the_order_of_time(bench: Any) -> None:
    await bench.apply({"a": {}, "b": {}}, wait=True)
    for number in range(6):
        bench.world.say("ab"[number % 2], b"%d\n" % number)
        await asyncio.sleep(0.002)  # so that the clock tells them apart

    assert await texts(bench) == [str(number) for number in range(6)]
    assert await texts(bench, ["b"]) == ["1", "3", "5"]


async def test_a_tail_reaches_back_over_runs(bench: Any) -> None:
    bench.world.script("api", Behaviour(output=("first", "second")))
    await bench.apply({"api": {}}, wait=True)
    await bench.restart("api", wait=True)

    assert await texts(bench, tail=3) == ["second", "first", "second"]
    assert await texts(bench, tail=1) == ["second"]
    assert await texts(bench, tail=0) == []
    assert await texts(bench, runs=False) == ["first", "second"]
    assert await texts(bench) == ["first", "second"] * 2


async def test_a_tail_of_nothing_follows_only_what_comes(bench: Any) -> None:
    bench.world.script("api", Behaviour(output=("old",)))
    await bench.apply({"api": {}}, wait=True)

    follower = Follower(bench, tail=0)
    await asyncio.sleep(0.05)
    bench.world.say("api", b"new\n")
    await bench.until(lambda: follower.texts)
    await follower.close()

    assert follower.texts == ["new"]


async def test_a_follower_goes_on_over_restarts_and_new_daemons(bench: Any) -> None:
    bench.world.script("api", Behaviour(output=("hello",)))
    await bench.apply({"api": {}}, wait=True)
    follower = Follower(bench)
    await bench.until(lambda: follower.texts == ["hello"])
    bench.world.end("api", code=1)
    await bench.until(lambda: follower.texts == ["hello", "hello"])
    bench.world.say("api", b"x\n")
    await bench.until(lambda: len(follower.items) == 3)
    await follower.close()

    await bench.reopen(between=lambda: bench.world.say("api", b"y\n"))
    second = Follower(bench, cursors={"api": follower.items[-1]["cursor"]})
    bench.world.say("api", b"z\n")
    await bench.until(lambda: len(second.items) == 2)
    await second.close()

    assert second.texts == ["y", "z"]


async def test_reading_goes_on_at_every_cursor_over_two_runs(bench: Any) -> None:
    bench.world.script("api", Behaviour(output=("a", "b", "c")))
    await bench.apply({"api": {}}, wait=True)
    bench.world.say("api", b"par", Stream.OUT)
    bench.world.say("api", b"err\n", Stream.ERR)
    bench.world.say("api", b"tial\n", Stream.OUT)
    await bench.restart("api", wait=True)

    items = await read(bench)

    whole = [item["text"] for item in items]
    assert whole == ["a", "b", "c", "err", "partial", "a", "b", "c"]
    for number, item in enumerate(items):
        assert await texts(bench, cursors={"api": item["cursor"]}) == whole[number + 1 :]


async def test_a_prompt_without_end_of_line_is_shown_and_goes_on(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)
    follower = Follower(bench)
    bench.world.say("api", b"name? ")
    await bench.until(lambda: follower.items)
    bench.world.say("api", b"bob\n")
    await bench.until(lambda: len(follower.items) == 2)
    await follower.close()

    assert [(item["text"], item["end"]) for item in follower.items] == [("name? ", False), ("bob", True)]


async def test_a_follower_outlasts_a_lost_link_without_gap_or_duplicate(bench: Any, monkeypatch: Any) -> None:
    from harness_core.engine import logs

    monkeypatch.setattr(logs, "AGAIN", 0.02)
    bench.world.script("api", Behaviour(output=("before",)))
    await bench.apply({"api": {}}, wait=True)
    follower = Follower(bench)
    await bench.until(lambda: follower.texts == ["before"])

    bench.world.cut_link()
    bench.world.say("api", b"meanwhile\n")
    await bench.reaches("api", State.UNREACHABLE)
    await asyncio.sleep(0.06)
    bench.world.mend_link()
    bench.world.say("api", b"after\n")
    await bench.until(lambda: len(follower.items) >= 3)
    await follower.close()

    assert follower.texts == ["before", "meanwhile", "after"]


async def test_a_follower_sees_the_last_words_of_a_run(bench: Any) -> None:
    await bench.apply({"api": {"restart": {"when": "no"}}}, wait=True)
    follower = Follower(bench)
    bench.world.say("api", b"goodb")
    bench.world.end("api", code=1)
    await bench.until(lambda: follower.items)
    await follower.close()

    assert follower.texts == ["goodb"]


async def test_a_slow_follower_makes_the_source_wait_and_memory_stays_bounded(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)
    for _ in range(20):
        bench.world.say("api", b"x\n" * 1000)
    reader = bench.manager.logs.read("shop-1", follow=True, tail=0)

    async def first() -> Any:
        return await anext(reader)

    pending = asyncio.ensure_future(first())
    await asyncio.sleep(0.05)
    for number in range(20):
        bench.world.say("api", b"%d\n" % number * 1000)
    assert (await pending)["text"] == "0"
    rest = [(await anext(reader))["text"] for _ in range(19_999)]
    await reader.aclose()

    assert rest[-1] == "19"


async def test_times_bound_what_is_read(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)
    bench.world.say("api", b"early\n")
    await asyncio.sleep(0.01)
    between = bench.manager._clock.now()
    bench.world.say("api", b"late\n")

    assert await texts(bench, since=between) == ["late"]
    assert await texts(bench, until=between) == ["early"]
    assert await texts(bench, since=between, tail=5) == ["late"]


async def test_a_cursor_of_somebody_else_is_refused(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)

    with pytest.raises(BadCursor, match="not a log cursor: 'abc'"):
        await read(bench, cursors={"api": "abc"})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from([Stream.OUT, Stream.ERR]), st.sampled_from([b"a", b"b\n", b"c\nd", b"\n"])), max_size=10),
    st.data(),
)
def test_a_follower_that_is_cut_anywhere_goes_on_without_gap_or_duplicate(bench: Any, written: list[Any], data: Any) -> None:
    make_bench = type(bench)  # one an example

    async def story() -> None:
        bench = make_bench(Path(folder))
        await bench.open()
        try:
            await bench.apply({"api": {}})
            await bench.reaches("api", State.RUNNING)
            for stream, piece in written:
                bench.world.say("api", piece, stream)
            items = await read(bench)
            if not items:
                return
            cut = data.draw(st.integers(0, len(items) - 1))
            rest = await read(bench, cursors={"api": items[cut]["cursor"]})
            for name in ("out", "err"):
                joined = [_bytes(i) for i in [*items[: cut + 1], *rest] if i["stream"] == name]
                assert "".join(joined) == "".join(piece.decode() for stream, piece in written if stream == name)
        finally:
            await bench.manager.aclose()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(story())


def _bytes(item: dict[str, Any]) -> str:
    return item["text"] + ("\n" if item["end"] else "")
