"""Cases about signals, stopping and killing whole trees."""

from __future__ import annotations

import asyncio

import pytest

from harness_core.contracts.errors import NotSupported
from harness_core.contracts.offer import Capability
from harness_core.testing.kit.bench import ExecutorBench, ExecutorPlaces, ended, new_mark, printed, until
from harness_core.testing.kit.case import case

OUTPUT, SIGNALS = Capability.OUTPUT, Capability.SIGNALS

LOOP = "while :; do sleep 0.2; done"
# $1 is the mark. Each leaves a second process besides the main one, farther away each time.
TREES = {
    "background": f"sh -c '{LOOP}' sh \"$1\" & {LOOP}",
    "own-session": f"setsid sh -c '{LOOP}' sh \"$1\" & {LOOP}",
    "double-fork": f"( ( sh -c '{LOOP}' sh \"$1\" & ) & ); {LOOP}",
    "double-fork-own-session": f"( setsid sh -c '{LOOP}' sh \"$1\" & ) ; {LOOP}",
    "ignores-term": f"trap '' TERM; sh -c '{LOOP}' sh \"$1\" & {LOOP}",
}


class StoppingCases(ExecutorPlaces):
    """What is asked to end ends; what is killed is gone with all of its children."""

    @case()
    async def test_a_stop_is_asked_for_and_not_awaited(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        async with asyncio.timeout(5):
            await handle.request_stop(None, 10.0)
            await handle.wait()

    @case(OUTPUT)
    async def test_a_program_may_end_in_its_own_way_when_asked_to_stop(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done"))
        await printed(handle, b"ready")

        await handle.request_stop("TERM", 10.0)

        assert (await handle.wait()).code == 5

    @case(OUTPUT, SIGNALS)
    async def test_a_stop_by_another_signal(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("trap 'exit 6' USR1; echo ready; while :; do sleep 0.1; done"))
        await printed(handle, b"ready")

        await handle.request_stop("USR1", 10.0)

        assert (await handle.wait()).code == 6

    @pytest.mark.parametrize("name", ["HUP", "INT", "USR1", "USR2"])
    @case(OUTPUT, SIGNALS)
    async def test_a_signal_arrives(self, bench: ExecutorBench, name: str) -> None:
        handle = await bench.launch(self.shell(f"trap 'echo got {name}' {name}; echo ready; while :; do sleep 0.1; done"))
        await printed(handle, b"ready")

        await handle.signal(name)

        await printed(handle, f"got {name}".encode())
        assert not await ended(handle)

    @case(lacks=SIGNALS)
    async def test_signals_are_refused_where_they_are_not_declared(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        with pytest.raises(NotSupported):
            await handle.signal("HUP")

    @case(OUTPUT)
    async def test_what_ignores_a_stop_is_killed(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("trap '' TERM INT HUP; echo ready; while :; do sleep 0.1; done"))
        await printed(handle, b"ready")

        await handle.request_stop("TERM", 0.1)
        await handle.kill()

        exit = await handle.wait()
        assert exit.signal == "KILL" or exit.code == 137

    @case(OUTPUT, SIGNALS)
    async def test_what_is_frozen_is_killed(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("echo ready; while :; do sleep 0.1; done"))
        await printed(handle, b"ready")

        await handle.signal("STOP")
        await handle.kill()

        await handle.wait()

    @pytest.mark.parametrize("tree", TREES)
    @case()
    async def test_kill_clears_the_tree(self, bench: ExecutorBench, tree: str) -> None:
        mark = new_mark()
        handle = await bench.launch(self.shell(TREES[tree], mark))

        async def grown() -> bool:
            return len(await self.living(mark)) >= 2

        await until(grown, what="the tree with two processes")

        await handle.kill()

        assert list(await self.living(mark)) == []
        await handle.wait()

    @case()
    async def test_kill_clears_what_an_ended_program_left_behind(self, bench: ExecutorBench) -> None:
        mark = new_mark()
        handle = await bench.launch(self.shell(f"sh -c '{LOOP}' sh \"$1\" & exit 0", mark))

        # A child that holds the output open must not hold up the exit.
        exit = await handle.wait()
        await handle.kill()

        assert exit.code == 0
        assert list(await self.living(mark)) == []

    @case()
    async def test_kill_may_be_asked_twice_and_after_the_end(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        await handle.kill()
        exit = await handle.wait()
        await handle.kill()

        assert await handle.wait() == exit

    @case()
    async def test_a_stop_after_the_end_is_no_error(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.exiting(0))
        exit = await handle.wait()

        await handle.request_stop(None, 1.0)

        assert await handle.wait() == exit
