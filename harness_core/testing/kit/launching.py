"""Cases about launching, waiting, exits and freeing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest

from harness_core.contracts.errors import CommandNotFound, PortTaken
from harness_core.contracts.execution import ProcessHandle
from harness_core.contracts.offer import Capability
from harness_core.contracts.place import Place
from harness_core.testing.kit.bench import ExecutorBench, ExecutorPlaces, ended, joined, new_mark, output_of, printed, until
from harness_core.testing.kit.case import case, not_proved

COMMAND, OUTPUT, RECOVER = Capability.COMMAND, Capability.OUTPUT, Capability.RECOVER


class LaunchingCases(ExecutorPlaces):
    """Runs begin, end and are forgotten as the contract says."""

    @case()
    async def test_a_place_is_known_before_launch(self, bench: ExecutorBench) -> None:
        place = bench.launcher.place(self.config)

        assert isinstance(place, Place)
        assert place == bench.launcher.place(self.config)

    @case()
    async def test_launch_returns_while_the_program_runs(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        assert not await ended(handle)
        assert isinstance(handle, ProcessHandle)
        assert handle.ref

    @pytest.mark.parametrize("code", [0, 1, 3, 255])
    @case()
    async def test_the_exit_code_is_true(self, bench: ExecutorBench, code: int) -> None:
        handle = await bench.launch(self.exiting(code))

        exit = await handle.wait()

        assert (exit.code, exit.signal) == (code, None)

    @pytest.mark.parametrize(("name", "number"), [("TERM", 15), ("KILL", 9), ("SEGV", 11)])
    @case()
    async def test_an_end_by_signal_is_told_from_an_exit(self, bench: ExecutorBench, name: str, number: int) -> None:
        # Through a child that the shell becomes, since a main process with pid 1 may not be able to kill itself.
        handle = await bench.launch(self.shell(f"sh -c 'kill -{name} $$'; exit $?"))

        exit = await handle.wait()

        # The shell answers with 128 + n; a place where the shell replaced itself may name the signal.
        assert (exit.code, exit.signal) in {(128 + number, None), (None, name)}

    @case()
    async def test_the_time_of_the_exit_is_true(self, bench: ExecutorBench) -> None:
        before = datetime.now(UTC)
        handle = await bench.launch(self.exiting(0))

        exit = await handle.wait()

        skew = timedelta(seconds=self.clock_skew)
        assert exit.at is not None
        assert exit.at.tzinfo is not None
        assert before - skew <= exit.at <= datetime.now(UTC) + skew

    @case()
    async def test_wait_may_be_asked_twice_and_by_many(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.exiting(3))

        first = await asyncio.gather(*(handle.wait() for _ in range(5)))
        again = await handle.wait()

        assert {exit.code for exit in (*first, again)} == {3}
        assert len({exit.at for exit in (*first, again)}) == 1

    @case()
    async def test_a_cancelled_wait_has_no_effect(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())
        waiting = asyncio.ensure_future(handle.wait())
        other = asyncio.ensure_future(handle.wait())
        await asyncio.sleep(0)

        waiting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not await ended(handle)
        await handle.kill()
        await other

    @case()
    async def test_launching_a_run_that_exists_returns_that_run(self, bench: ExecutorBench) -> None:
        spec = self.running()
        first = await bench.launch(spec)

        second = await bench.launcher.launch(spec)

        assert second.ref == first.ref
        await second.kill()
        exits = await asyncio.gather(first.wait(), second.wait())
        assert exits[0] == exits[1]

    @case()
    async def test_launching_a_run_that_has_finished_starts_nothing(self, bench: ExecutorBench) -> None:
        spec = self.exiting(4)
        first = await (await bench.launch(spec)).wait()

        again = await bench.launcher.launch(spec)

        assert await again.wait() == first

    @case()
    async def test_two_runs_of_one_service_live_side_by_side(self, bench: ExecutorBench) -> None:
        old, new = await bench.launch(self.running()), await bench.launch(self.running())

        await old.kill()
        await old.wait()

        assert old.ref != new.ref
        assert not await ended(new)

    @case()
    async def test_prepare_is_repeatable_and_starts_nothing(self, bench: ExecutorBench) -> None:
        mark = new_mark()
        spec = self.running(mark)

        await bench.launcher.prepare(spec)
        await bench.launcher.prepare(spec)

        assert list(await self.living(mark)) == []
        if RECOVER in self.offer.capabilities:
            assert await bench.launcher.recover(spec, None) is None

    @pytest.mark.parametrize("program", ["harness-kit-no-such-program", "/nowhere/at/all", "/etc/passwd", "/"])
    @case(COMMAND)
    async def test_a_missing_program_is_command_not_found(self, bench: ExecutorBench, program: str) -> None:
        command = self.command("")
        spec = self.spec(type(command)((program, "--version"), env=command.env))

        with pytest.raises(CommandNotFound) as caught:
            await bench.launch(spec)

        assert program in caught.value.message
        assert caught.value.transient is False

    @case(COMMAND, RECOVER)
    async def test_a_missing_program_leaves_no_run(self, bench: ExecutorBench) -> None:
        command = self.command("")
        spec = self.spec(type(command)(("harness-kit-no-such-program",), env=command.env))
        bench.note(spec)

        # Launched unprepared too: a program may vanish in between.
        with pytest.raises(CommandNotFound):
            await bench.launcher.launch(spec)

        handle = await bench.launcher.recover(spec, None)
        if handle is not None:
            assert await ended(handle)
            await handle.dispose()
            assert await bench.launcher.recover(spec, None) is None

    @pytest.mark.parametrize("point", [0.0, 0.25, 0.5, 0.75, 1.0])
    @case(RECOVER)
    async def test_a_cancelled_launch_leaves_nothing(self, bench: ExecutorBench, point: float) -> None:
        began = time.monotonic()
        await bench.launch(self.running())
        usual = time.monotonic() - began
        mark = new_mark()
        spec = self.running(mark)
        bench.note(spec)
        await bench.launcher.prepare(spec)

        launching = asyncio.ensure_future(bench.launcher.launch(spec))
        await asyncio.sleep(usual * point)
        launching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await launching
        await bench.clear(spec)

        async def nothing_came_late() -> bool:
            return time.monotonic() > quiet_until

        quiet_until = time.monotonic() + max(0.3, 3 * usual)
        await until(nothing_came_late, within=30)
        assert list(await self.living(mark)) == []
        assert await bench.launcher.recover(spec, None) is None

    @case()
    async def test_dispose_may_be_asked_twice(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.exiting(0))
        await handle.wait()

        await handle.dispose()
        await handle.dispose()

    @case()
    async def test_closing_the_executor_stops_no_service(self, bench: ExecutorBench) -> None:
        mark = new_mark()
        spec = self.running(mark)
        handle = await bench.launch(spec)
        if RECOVER not in self.offer.capabilities:
            not_proved(f"'{self.offer.name}' does not declare RECOVER: its services end with the daemon")

        launcher = await bench.succeed()

        recovered = await launcher.recover(spec, handle.state())
        assert recovered is not None
        assert not await ended(recovered)

    @case()
    async def test_a_port_is_picked_or_left_to_the_place(self, bench: ExecutorBench) -> None:
        port = await bench.launcher.pick_port(self.running(), None)

        assert port is None or 0 < port < 65536

    @case()
    async def test_a_port_in_use_is_named(self, bench: ExecutorBench) -> None:
        if bench.launcher.place(self.config).host != "local":
            not_proved("the place is not this machine: the kit can't take a port there")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]

            with pytest.raises(PortTaken, match=str(port)):
                await bench.launcher.pick_port(self.running(), port)

    @case(OUTPUT)
    async def test_an_existing_run_is_executed_once(self, bench: ExecutorBench) -> None:
        spec = self.shell("echo once; while :; do sleep 0.2; done")
        handle = await bench.launch(spec)

        await bench.launcher.launch(spec)

        await printed(handle, b"once")
        await handle.kill()
        assert joined(await output_of(handle)) == b"once\n"
