"""Output of an executor that stores none is stored by core, and read like any other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness_core.contracts.events import State
from harness_core.contracts.offer import Capability
from harness_core.contracts.output import Stream
from harness_core.testing import FAKE_CAPABILITIES, Behaviour, fake_offer


@pytest.fixture
def bench(bench: Any) -> Any:
    bench.executors = (fake_offer(bench.world, capabilities=FAKE_CAPABILITIES - {Capability.DURABLE_OUTPUT}),)
    return bench


async def lines(bench: Any, **query: Any) -> list[str]:
    return [item["text"] async for item in bench.manager.logs.read("shop-1", **query)]


async def stored(bench: Any, count: int) -> list[str]:
    """So many lines, as soon as they are stored."""
    async with asyncio.timeout(5):
        while len(found := await lines(bench)) < count:  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.01)
    return found


async def test_what_is_said_is_stored_with_its_streams_and_outlives_its_source(bench: Any) -> None:
    bench.world.script("api", Behaviour(output=("one", "two")))
    await bench.apply({"api": {}}, wait=True)
    bench.world.say("api", b"oh\n", Stream.ERR)
    await stored(bench, 3)

    bench.world.latest("api").output.clear()

    items = [item async for item in bench.manager.logs.read("shop-1")]
    assert [(item["stream"], item["text"]) for item in items] == [("out", "one"), ("out", "two"), ("err", "oh")]


async def test_the_last_words_before_a_crash_are_there_when_the_crash_is_told(bench: Any) -> None:
    bench.world.script("api", Behaviour(output=("last words",), after=0, code=1))

    result = await bench.apply({"api": {"restart": {"when": "no"}}}, wait=True)
    await bench.reaches("api", State.FAILED)

    assert result["services"][0]["last_lines"] == ["last words"]


async def test_a_tail_and_a_cursor_work_as_on_stored_output(bench: Any) -> None:
    bench.world.script("api", Behaviour(output=tuple(f"line {n}" for n in range(20))))
    await bench.apply({"api": {}}, wait=True)
    await stored(bench, 20)

    items = [item async for item in bench.manager.logs.read("shop-1")]
    for number in (0, 7, 18):
        rest = await lines(bench, cursors={"api": items[number]["cursor"]})
        assert rest == [f"line {n}" for n in range(number + 1, 20)]

    assert await lines(bench, tail=2) == ["line 18", "line 19"]


async def test_followers_get_everything_over_restarts_of_service_and_daemon(bench: Any) -> None:
    bench.world.script("api", Behaviour(output=("hello",)))
    await bench.apply({"api": {}}, wait=True)
    got: list[str] = []

    async def follow(**query: Any) -> None:
        async for item in bench.manager.logs.read("shop-1", follow=True, **query):
            got.append(item["text"])
            cursors["api"] = item["cursor"]

    cursors: dict[str, str] = {}
    following = asyncio.ensure_future(follow())
    await bench.until(lambda: got == ["hello"])
    bench.world.say("api", b"more\n")
    await bench.until(lambda: got == ["hello", "more"])
    await bench.restart("api", wait=True)
    await bench.until(lambda: got == ["hello", "more", "hello"])
    following.cancel()
    await bench.reopen(between=lambda: bench.world.say("api", b"while nobody listened\n"))
    following = asyncio.ensure_future(follow(cursors=dict(cursors)))
    await bench.until(lambda: got[3:] == ["while nobody listened"])
    following.cancel()
    await asyncio.wait({following})


async def test_what_was_stored_goes_when_the_run_is_disposed_of(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)
    folder = bench.folder / "output" / bench.world.latest("api").spec.run
    assert folder.is_dir()

    await bench.stop(down=True)

    assert not folder.exists()


async def test_a_lost_link_only_pauses_what_is_stored(bench: Any, monkeypatch: Any) -> None:
    from harness_core.engine import capture

    monkeypatch.setattr(capture, "AGAIN", 0.02)
    await bench.apply({"api": {}}, wait=True)
    bench.world.say("api", b"before\n")
    await stored(bench, 1)
    bench.world.cut_link()
    bench.world.say("api", b"meanwhile\n")
    await asyncio.sleep(0.05)
    bench.world.mend_link()

    assert await stored(bench, 2) == ["before", "meanwhile"]
