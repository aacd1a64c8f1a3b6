"""Cases about finding runs again: after a daemon's death, after a lost database, over a lost link."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from harness_core.contracts.errors import StateTooNew, Unreachable
from harness_core.contracts.execution import ProcessHandle
from harness_core.contracts.offer import Capability, ChangeKind
from harness_core.contracts.output import OutputQuery
from harness_core.contracts.run import HandleState, LaunchSpec
from harness_core.testing.kit.bench import ExecutorBench, ExecutorPlaces, ended, joined, new_mark, output_of, through_json
from harness_core.testing.kit.case import case

OUTPUT, RECOVER = Capability.OUTPUT, Capability.RECOVER


class RecoveringCases(ExecutorPlaces):
    """A run outlives the daemon that launched it."""

    async def _recovered(self, bench: ExecutorBench, spec: LaunchSpec, state: HandleState | None) -> ProcessHandle:
        handle = await bench.launcher.recover(spec, state)
        assert handle is not None, "recover answered None, which means certainly gone"
        return handle

    @pytest.mark.parametrize("with_state", [True, False], ids=["by-state", "by-run"])
    @case(RECOVER)
    async def test_a_live_run_is_recovered(self, bench: ExecutorBench, with_state: bool) -> None:
        spec = self.running()
        launched = await bench.launch(spec)

        handle = await self._recovered(bench, spec, launched.state() if with_state else None)

        assert handle.ref == launched.ref
        assert not await ended(handle)

    @pytest.mark.parametrize("with_state", [True, False], ids=["by-state", "by-run"])
    @case(RECOVER)
    async def test_a_finished_run_is_recovered_with_its_exit(self, bench: ExecutorBench, with_state: bool) -> None:
        spec = self.exiting(7)
        launched = await bench.launch(spec)
        exit = await launched.wait()

        handle = await self._recovered(bench, spec, launched.state() if with_state else None)

        assert await handle.wait() == exit

    @case(RECOVER)
    async def test_a_state_survives_json(self, bench: ExecutorBench) -> None:
        spec = self.running()
        launched = await bench.launch(spec)

        handle = await self._recovered(bench, spec, through_json(launched.state()))

        assert handle.ref == launched.ref

    @pytest.mark.parametrize("with_state", [True, False], ids=["by-state", "by-run"])
    @case(RECOVER)
    async def test_a_new_executor_object_recovers(self, bench: ExecutorBench, with_state: bool) -> None:
        spec = self.running()
        launched = await bench.launch(spec)
        ref, state = launched.ref, through_json(launched.state())

        await bench.succeed()

        handle = await self._recovered(bench, spec, state if with_state else None)
        assert handle.ref == ref
        assert not await ended(handle)

    @case(RECOVER)
    async def test_an_exit_that_nobody_saw_is_still_known(self, bench: ExecutorBench) -> None:
        spec = self.exiting(9)
        launched = await bench.launch(spec)
        state = through_json(launched.state())

        await bench.succeed()

        handle = await self._recovered(bench, spec, state)
        assert (await handle.wait()).code == 9

    @case(RECOVER)
    async def test_a_recovered_run_is_killed_with_its_tree(self, bench: ExecutorBench) -> None:
        mark = new_mark()
        spec = self.shell("sh -c 'while :; do sleep 0.2; done' sh \"$1\" & while :; do sleep 0.2; done", mark)
        launched = await bench.launch(spec)
        state = through_json(launched.state())
        await bench.succeed()

        handle = await self._recovered(bench, spec, state)
        await handle.kill()

        assert list(await self.living(mark)) == []
        exit = await handle.wait()
        assert not exit.succeeded

    @case(RECOVER)
    async def test_a_run_that_never_was_is_certainly_gone(self, bench: ExecutorBench) -> None:
        assert await bench.launcher.recover(self.running(), None) is None

    @case(RECOVER)
    async def test_a_disposed_run_is_certainly_gone(self, bench: ExecutorBench) -> None:
        spec = self.exiting(0)
        launched = await bench.launch(spec)
        await launched.wait()
        state = launched.state()

        await launched.dispose()

        assert await bench.launcher.recover(spec, state) is None
        assert await bench.launcher.recover(spec, None) is None

    @case(RECOVER)
    async def test_a_killed_run_keeps_its_record_until_it_is_disposed_of(self, bench: ExecutorBench) -> None:
        spec = self.running()
        launched = await bench.launch(spec)
        await launched.kill()
        exit = await launched.wait()

        handle = await self._recovered(bench, spec, launched.state())

        assert await handle.wait() == exit

    @case(RECOVER)
    async def test_a_state_of_a_newer_version_is_refused(self, bench: ExecutorBench) -> None:
        spec = self.running()
        launched = await bench.launch(spec)
        newer = HandleState(launched.state().version + 1000, launched.state().data)

        with pytest.raises(StateTooNew):
            await bench.launcher.recover(spec, newer)

    @case(RECOVER)
    async def test_a_survey_finds_what_carries_our_mark(self, bench: ExecutorBench) -> None:
        first, second = self.running(), self.running()
        handles = [await bench.launch(first), await bench.launch(second)]

        await bench.succeed()
        found = {each.run: each for each in await bench.launcher.survey()}

        for spec, handle in zip((first, second), handles, strict=True):
            assert (found[spec.run].project, found[spec.run].service) == (spec.project, spec.service)
            assert found[spec.run].ref == handle.ref

    @case(RECOVER)
    async def test_what_a_survey_finds_is_recovered(self, bench: ExecutorBench) -> None:
        spec = self.running()
        await bench.launch(spec)
        await bench.succeed()

        found = next(each for each in await bench.launcher.survey() if each.run == spec.run)

        handle = await self._recovered(bench, spec, found.state)
        assert not await ended(handle)

    @case(RECOVER)
    async def test_a_survey_does_not_find_what_was_disposed_of(self, bench: ExecutorBench) -> None:
        spec = self.exiting(0)
        handle = await bench.launch(spec)
        await handle.wait()
        await handle.dispose()

        assert spec.run not in {each.run for each in await bench.launcher.survey()}

    @case()
    async def test_a_lost_link_is_reported_and_never_an_exit(self, bench: ExecutorBench) -> None:
        spec = self.running()
        handle = await bench.launch(spec)
        waiting = asyncio.ensure_future(handle.wait())
        await asyncio.sleep(0)

        await self.break_link(bench)
        try:
            await bench.context.reported(spec.run, ChangeKind.UNREACHABLE)
            assert not waiting.done()
        finally:
            await self.mend_link(bench)

        await bench.context.reported(spec.run, ChangeKind.REACHABLE)
        assert not waiting.done()
        await handle.kill()
        await waiting

    @pytest.mark.parametrize("call", ["recover", "survey", "launch", "kill", "request_stop", "dispose"])
    @case()
    async def test_over_a_lost_link_a_call_is_unreachable(self, bench: ExecutorBench, call: str) -> None:
        spec = self.running()
        handle = await bench.launch(spec)
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "recover": lambda: bench.launcher.recover(spec, None),
            "survey": bench.launcher.survey,
            "launch": lambda: bench.launcher.launch(self.running()),
            "kill": handle.kill,
            "request_stop": lambda: handle.request_stop(None, 1.0),
            "dispose": handle.dispose,
        }

        await self.break_link(bench)
        try:
            with pytest.raises(Unreachable):
                await calls[call]()
        finally:
            await self.mend_link(bench)

        assert not await ended(handle)

    @case(OUTPUT)
    async def test_over_a_lost_link_output_is_unreachable(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.printing(["before"], running=True))

        await self.break_link(bench)
        try:
            with pytest.raises(Unreachable):
                await output_of(handle, OutputQuery())
        finally:
            await self.mend_link(bench)

        await handle.kill()
        assert joined(await output_of(handle)) == b"before\n"
