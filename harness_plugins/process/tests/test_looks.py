"""Looks at the same thing are made once, and each who asks hears what it found."""

from __future__ import annotations

import asyncio
import threading

import pytest

from harness_core.contracts import CommandNotFound
from harness_core.testing import FakeContext
from harness_plugin_process.looks import Looks


class Eye:
    """A look that lasts until it is let go, in a thread."""

    def __init__(self) -> None:
        self.began = 0
        self.go = threading.Event()
        self.error: Exception | None = None

    def look(self) -> None:
        self.began += 1
        assert self.go.wait(30)
        if self.error is not None:
            raise self.error


@pytest.fixture
def eye():
    return Eye()


async def test_who_asks_for_the_same_at_the_same_time_shares_one_look(eye):
    context = FakeContext()
    looks = Looks(context)

    asking = [asyncio.ensure_future(looks.at("program", eye.look, timeout=30)) for _ in range(20)]
    await asyncio.sleep(0)
    eye.go.set()
    await asyncio.gather(*asking)

    assert eye.began == 1
    await looks.aclose()
    await context.aclose()


async def test_a_look_that_has_ended_is_made_again(eye):
    context = FakeContext()
    looks = Looks(context)
    eye.go.set()

    await looks.at("program", eye.look, timeout=30)
    await looks.at("program", eye.look, timeout=30)

    assert eye.began == 2
    await looks.aclose()
    await context.aclose()


async def test_what_a_look_finds_is_raised_to_all_and_one_who_goes_away_does_not_end_it_for_others(eye):
    context = FakeContext()
    looks = Looks(context)
    eye.error = CommandNotFound("no program")

    impatient = asyncio.ensure_future(looks.at("program", eye.look, timeout=30))
    patient = asyncio.ensure_future(looks.at("program", eye.look, timeout=30))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.wait({impatient})
    eye.go.set()

    assert impatient.cancelled()
    with pytest.raises(CommandNotFound, match="no program"):
        await patient
    await looks.aclose()
    await context.aclose()
