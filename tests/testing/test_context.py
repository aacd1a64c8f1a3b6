"""What FakeContext lends behaves as what core lends."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from harness_core.contracts import Change
from harness_core.keeper import Spawn
from harness_core.testing import FakeContext


def test_a_cancelled_blocking_call_waits_until_it_has_settled() -> None:
    async def story() -> None:
        began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

        def slow() -> None:
            began.set()
            assert go_on.wait(10)
            ended.set()

        async with FakeContext() as context:
            call = asyncio.ensure_future(context.blocking(slow, timeout=10))
            await asyncio.to_thread(began.wait, 10)

            call.cancel()
            await asyncio.sleep(0)
            call.cancel()  # an impatient caller changes nothing
            done, _ = await asyncio.wait([call], timeout=0.05)
            assert not done, "it answered while the thread was still at work"

            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert ended.is_set()

    asyncio.run(story())


def test_a_blocking_call_that_takes_too_long_is_a_timeout() -> None:
    async def story() -> None:
        release = threading.Event()
        async with FakeContext() as context:
            with pytest.raises(TimeoutError, match="longer than"):
                await context.blocking(release.wait, 10, timeout=0.05)
            release.set()

    asyncio.run(story())


def test_what_is_shared_is_made_once_and_closed_at_the_end() -> None:
    class Connection:
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    async def story() -> None:
        made = []

        async def connect() -> Connection:
            await asyncio.sleep(0)
            made.append(Connection())
            return made[-1]

        async with FakeContext() as context:
            got = await asyncio.gather(*(context.shared("host", connect) for _ in range(5)))
            assert got == made * 5

        assert [connection.closed for connection in made] == [True]

    asyncio.run(story())


def test_a_factory_that_failed_is_tried_again() -> None:
    async def story() -> None:
        async def fail() -> int:
            raise OSError("no route")

        async def succeed() -> int:
            return 7

        async with FakeContext() as context:
            with pytest.raises(OSError, match="no route"):
                await context.shared("host", fail)

            assert await context.shared("host", succeed) == 7

    asyncio.run(story())


def test_a_background_task_s_crash_is_kept_and_the_rest_end_at_close() -> None:
    async def story() -> None:
        ended = []

        async def crash() -> None:
            raise RuntimeError("crashed")

        async def linger() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        context = FakeContext()
        context.background(crash(), "one")
        context.background(linger(), "two")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await context.aclose()

        assert str(context.crashes["one"]) == "crashed"
        assert set(context.crashes) == {"one"}
        assert ended == [True]

    asyncio.run(story())


def test_reports_come_from_any_thread() -> None:
    async def story() -> None:
        async with FakeContext() as context:
            await asyncio.to_thread(context.report, "r1", Change("note", "from afar"))

            assert (await context.reported("r1", "note")).detail == "from afar"

    asyncio.run(story())


def test_its_keeper_is_real_survives_a_successor_and_leaves_nothing() -> None:
    async def story() -> tuple[Path, int]:
        async with FakeContext() as context:
            keeper = await context.keeper()
            assert await context.keeper() is keeper
            started = await keeper.spawn(Spawn("kit", "s", "r1", ("sleep", "60"), {"PATH": "/usr/bin:/bin"}))

            successor = context.successor()
            other = await successor.keeper()
            assert other is not keeper
            assert [run.run for run in await other.list()] == ["r1"]
            await successor.aclose()

            assert [run.exit for run in await keeper.list()] == [None]
            return context.state_dir, started.pid

    folder, pid = asyncio.run(story())

    assert not folder.exists()
    assert not Path(f"/proc/{pid}/cmdline").exists() or Path(f"/proc/{pid}/cmdline").read_bytes() == b""
