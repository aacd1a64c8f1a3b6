"""What core lends to plugins, and what it takes back."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from harness_core.contracts.clock import SystemClock
from harness_core.contracts.offer import Change
from harness_core.engine.context import PluginContext


class Lender:
    def __init__(self, folder: Path) -> None:
        self.reports: list[tuple[str, Change]] = []
        self.broken: list[str] = []
        self.context = PluginContext(
            "some-plugin", log=logging.getLogger("harness.engine-tests"), clock=SystemClock(), state_dir=folder,
            report=lambda run, change: self.reports.append((run, change)), keeper=self._keeper,
            broken=lambda name, cause: self.broken.append(f"{name}: {cause}"),
        )  # fmt: skip

    async def _keeper(self) -> Any:
        return "the keeper"


async def eventually(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - any condition
            await asyncio.sleep(0.002)


async def test_reports_come_from_any_thread_and_after_the_end_from_none(tmp_path: Path) -> None:
    lender = Lender(tmp_path)
    threads = [threading.Thread(target=lender.context.report, args=(f"r{n}", Change("note"))) for n in range(5)]
    for thread in threads:
        thread.start()
    await eventually(lambda: len(lender.reports) == 5)

    assert sorted(run for run, _ in lender.reports) == [f"r{n}" for n in range(5)]
    assert await lender.context.keeper() == "the keeper"
    await lender.context.aclose()


async def test_a_cancelled_call_in_a_thread_has_settled_before_its_caller_goes_on(tmp_path: Path) -> None:
    lender = Lender(tmp_path)
    begun, go_on, done = threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        go_on.wait(5)
        done.append(True)

    call = asyncio.ensure_future(lender.context.blocking(work, timeout=10))
    await eventually(begun.is_set)
    call.cancel()
    await asyncio.sleep(0.02)
    assert not call.done()
    go_on.set()
    await asyncio.wait({call})

    assert call.cancelled()
    assert done
    await lender.context.aclose()


async def test_a_call_that_takes_too_long_is_a_timeout(tmp_path: Path) -> None:
    lender = Lender(tmp_path)
    release = threading.Event()

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await lender.context.blocking(release.wait, 5, timeout=0.05)

    assert time.monotonic() - began < 2
    release.set()
    await lender.context.aclose()


async def test_what_is_shared_is_made_once_and_tried_again_after_a_failure(tmp_path: Path) -> None:
    lender = Lender(tmp_path)
    made: list[int] = []

    async def factory() -> object:
        made.append(1)
        await asyncio.sleep(0.01)
        if len(made) == 1:
            raise ConnectionRefusedError("not yet")
        return object()

    first = await asyncio.gather(*(lender.context.shared("client", factory) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(answer, ConnectionRefusedError) for answer in first)
    second = await asyncio.gather(*(lender.context.shared("client", factory) for _ in range(3)))

    assert len(made) == 2
    assert len(set(map(id, second))) == 1
    await lender.context.aclose()


async def test_a_cancelled_maker_does_not_cancel_those_who_wait_with_it(tmp_path: Path) -> None:
    lender = Lender(tmp_path)
    begun = asyncio.Event()

    async def slow() -> str:
        begun.set()
        await asyncio.sleep(30)
        return "never"

    maker = asyncio.ensure_future(lender.context.shared("client", slow))
    await begun.wait()
    waiter = asyncio.ensure_future(lender.context.shared("client", slow))
    await asyncio.sleep(0)
    maker.cancel()
    await asyncio.wait({maker, waiter}, timeout=5)

    assert maker.cancelled()
    assert waiter.done()
    assert not waiter.cancelled()
    assert waiter.exception() is not None
    await lender.context.aclose()


async def test_a_crash_in_the_background_is_told_and_a_close_ends_the_rest(tmp_path: Path) -> None:
    lender = Lender(tmp_path)
    ended: list[str] = []

    async def crash() -> None:
        raise ZeroDivisionError("a bug")

    async def live() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("live")

    lender.context.background(crash(), "crash")
    lender.context.background(live(), "live")
    await eventually(lambda: lender.broken)
    await lender.context.aclose()

    assert "a bug" in lender.broken[0]
    assert ended == ["live"]


async def test_shared_things_are_closed_and_one_that_fails_does_not_keep_the_others_open(tmp_path: Path) -> None:
    lender = Lender(tmp_path)
    closed: list[str] = []

    class Thing:
        def __init__(self, name: str) -> None:
            self.name = name

        async def aclose(self) -> None:
            closed.append(self.name)
            if self.name == "bad":
                raise OSError("broken pipe")

    for name in ("bad", "good"):

        async def make(name: str = name) -> Thing:
            return Thing(name)

        await lender.context.shared(name, make)
    await lender.context.aclose()

    assert sorted(closed) == ["bad", "good"]


async def test_the_folder_is_private_and_made_on_first_use(tmp_path: Path) -> None:
    lender = Lender(tmp_path)
    assert not lender.context._state_dir.exists()

    folder = lender.context.state_dir

    assert folder.stat().st_mode & 0o777 == 0o700
    await lender.context.aclose()
