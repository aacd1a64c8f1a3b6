"""Cases about commands: what reaches the program, what goes on inside the place, what a run uses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace

import pytest

from harness_core.contracts.command import Command
from harness_core.contracts.errors import CommandNotFound, NotSupported
from harness_core.contracts.execution import Session
from harness_core.contracts.offer import Capability
from harness_core.contracts.output import Output
from harness_core.contracts.run import Limits
from harness_core.testing.kit.bench import ExecutorBench, ExecutorPlaces, ended, joined, new_mark, output_of, printed, until
from harness_core.testing.kit.case import case
from harness_core.testing.kit.hostile import HOSTILE

COMMAND, OUTPUT, EXEC = Capability.COMMAND, Capability.OUTPUT, Capability.EXEC
STDIN, TTY, STATS, LIMITS = Capability.STDIN, Capability.TTY, Capability.STATS, Capability.LIMITS

# Hexadecimal, because an executor without EXACT_OUTPUT may not hand on every byte as it was.
SHOW_ARGUMENTS = 'for each; do printf %s "$each" | od -An -v -tx1; echo .; done'
SHOW_VARIABLE = 'printf %s "$HOSTILE" | od -An -v -tx1; echo .'


class CommandCases(ExecutorPlaces):
    """The program gets what was asked for, to the letter."""

    @case(OUTPUT)
    async def test_hostile_arguments_arrive_intact(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell(SHOW_ARGUMENTS, *HOSTILE.values()))

        assert from_hex(joined(await output_of(handle))) == list(HOSTILE.values())

    @pytest.mark.parametrize("name", HOSTILE)
    @case(OUTPUT)
    async def test_a_hostile_variable_arrives_intact(self, bench: ExecutorBench, name: str) -> None:
        env = {**self.environment(), "HOSTILE": HOSTILE[name]}

        handle = await bench.launch(self.shell(SHOW_VARIABLE, env=env))

        assert from_hex(joined(await output_of(handle))) == [HOSTILE[name]]

    @case(OUTPUT)
    async def test_our_own_environment_does_not_leak_in(self, bench: ExecutorBench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HARNESS_KIT_LEAK", "leaked")

        handle = await bench.launch(self.shell('echo "<${HARNESS_KIT_LEAK-nothing}>"'))

        assert joined(await output_of(handle)).strip() == b"<nothing>"

    @pytest.mark.parametrize("folder", ["/", "/tmp", "/usr/bin"])
    @case(COMMAND, OUTPUT)
    async def test_a_program_starts_in_its_folder(self, bench: ExecutorBench, folder: str) -> None:
        handle = await bench.launch(self.shell("pwd", cwd=folder))

        assert joined(await output_of(handle)).strip() == folder.encode()

    @case(OUTPUT)
    async def test_stdin_is_empty_unless_asked_for(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("cat; echo end"))

        assert joined(await output_of(handle)) == b"end\n"

    @case(COMMAND, OUTPUT, STDIN)
    async def test_stdin_arrives_and_ends(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("cat; echo end", stdin=True))

        await handle.write(b"hello ")
        await handle.write(b"there\n")
        await handle.write(None)

        assert joined(await output_of(handle)) == b"hello there\nend\n"

    @case(lacks=STDIN)
    async def test_stdin_is_refused_where_it_is_not_declared(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        with pytest.raises(NotSupported):
            await handle.write(b"x")

    @case(COMMAND, OUTPUT, TTY)
    async def test_a_terminal_is_there_when_asked_for(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("test -t 0 && test -t 1 && echo a terminal", tty=True))

        assert joined(await output_of(handle)).strip() == b"a terminal"

    @case(COMMAND, OUTPUT, TTY)
    async def test_a_terminal_gets_its_size_and_the_program_is_told(self, bench: ExecutorBench) -> None:
        script = "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.1; done"
        handle = await bench.launch(self.shell(script, tty=True))
        await printed(handle, b"ready")

        await handle.resize(31, 97)

        assert joined(await output_of(handle)).splitlines()[-1] == b"31 97"

    @case(COMMAND, OUTPUT, TTY, STDIN)
    async def test_keys_reach_a_program_through_its_terminal(self, bench: ExecutorBench) -> None:
        script = "trap 'echo interrupted; exit 4' INT; read line; echo \"<$line>\"; while :; do sleep 0.1; done"
        handle = await bench.launch(self.shell(script, tty=True, stdin=True))

        await handle.write(b"typed\r")
        await printed(handle, b"<typed>")
        await handle.write(b"\x03")

        assert (await handle.wait()).code == 4

    @case(COMMAND, TTY)
    async def test_without_a_terminal_there_is_nothing_to_resize(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        with pytest.raises(NotSupported):
            await handle.resize(24, 80)

    @case(lacks=TTY)
    async def test_a_new_size_is_refused_where_no_terminal_is_declared(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        with pytest.raises(NotSupported):
            await handle.resize(24, 80)

    @case(OUTPUT)
    async def test_there_is_no_terminal_unless_asked_for(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("test -t 0 || test -t 1 || echo no terminal"))

        assert joined(await output_of(handle)) == b"no terminal\n"

    @case(EXEC)
    async def test_a_command_inside_answers_with_output_and_code(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        data, session = await self._inside(handle.exec(self.command("echo inside; exit 7")))

        assert (await session.wait()).code == 7
        assert data == b"inside\n"
        assert not await ended(handle)
        await session.aclose()

    @case(EXEC)
    async def test_a_command_inside_gets_hostile_arguments_intact(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        data, session = await self._inside(handle.exec(self.command(SHOW_ARGUMENTS, *HOSTILE.values())))

        assert from_hex(data) == list(HOSTILE.values())
        await session.aclose()

    @case(EXEC)
    async def test_a_command_inside_is_fed(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())
        session = await handle.exec(replace(self.command("cat"), stdin=True))

        await session.write(b"fed\n")
        await session.write(None)

        assert joined(await _all_of(session)) == b"fed\n"
        assert (await session.wait()).code == 0
        await session.aclose()

    @case(EXEC, TTY)
    async def test_a_command_inside_gets_a_terminal_of_the_size_asked_for(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())
        script = "test -t 0 && test -t 1 && stty size; trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.1; done"
        session = await handle.exec(replace(self.command(script), stdin=True, tty=True, size=(33, 44)))
        seen, resized = b"", False

        async for chunk in session.output():
            seen += chunk.data
            if b"ready" in seen and not resized:
                resized = True
                await session.resize(55, 66)

        assert seen.split() == [b"33", b"44", b"ready", b"55", b"66"]
        await session.aclose()

    @case(EXEC)
    async def test_nothing_is_lost_of_a_command_inside_that_is_read_slowly(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())
        session = await handle.exec(self.command("i=0; while [ $i -lt 40 ]; do printf %100000d $i; i=$((i + 1)); done"))
        reading = session.output()
        size = len((await anext(reading)).data)

        async for chunk in reading:
            await asyncio.sleep(0.001)
            size += len(chunk.data)

        assert size == 4_000_000
        assert (await session.wait()).code == 0
        await session.aclose()

    @case(EXEC)
    async def test_a_missing_command_inside_is_no_success(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        try:
            session = await handle.exec(Command(("harness-kit-no-such-program",), env=self.environment()))
        except CommandNotFound:
            return
        exit = await session.wait()
        await session.aclose()
        assert exit.code in {126, 127}

    @case(EXEC)
    async def test_a_command_inside_gets_signals(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())
        session = await handle.exec(self.command("trap 'exit 8' TERM; echo ready; while :; do sleep 0.1; done"))
        async for chunk in session.output():
            if b"ready" in chunk.data:
                break

        await session.signal("TERM")

        assert (await session.wait()).code == 8
        await session.aclose()

    @case(EXEC)
    async def test_closing_leaves_nothing_of_a_command_inside(self, bench: ExecutorBench) -> None:
        mark = new_mark()
        handle = await bench.launch(self.running())
        loop = "while :; do sleep 0.2; done"
        session = await handle.exec(self.command(f"trap '' TERM HUP; sh -c '{loop}' sh \"$1\" & {loop}", mark))

        async def grown() -> bool:
            return len(await self.living(mark)) >= 2

        await until(grown, what="the command inside and its child")

        await session.aclose()
        await session.aclose()

        assert list(await self.living(mark)) == []
        assert not await ended(handle)

    @case(EXEC)
    async def test_several_commands_inside_at_once(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        answers = await asyncio.gather(*(self._inside(handle.exec(self.command(f"echo {n}; exit {n}"))) for n in range(5)))

        assert [data for data, _ in answers] == [b"%d\n" % n for n in range(5)]
        assert [(await session.wait()).code for _, session in answers] == [0, 1, 2, 3, 4]
        for _, session in answers:
            await session.aclose()

    @case(lacks=EXEC)
    async def test_exec_is_refused_where_it_is_not_declared(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        with pytest.raises(NotSupported):
            await handle.exec(Command(("true",)))

    @case(STATS)
    async def test_what_a_run_uses_is_told(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        async def plausible() -> bool:
            # For an instant, while the program is being loaded, a process has no memory at all.
            stats = await handle.stats()
            known = [figure for figure in (stats.memory, stats.processes) if figure is not None]
            return (bool(known) or stats.cpu_seconds is not None) and all(figure > 0 for figure in known)

        await until(plausible, within=5, what="memory and processes of a run that lives")

    @case(lacks=STATS)
    async def test_stats_are_refused_where_they_are_not_declared(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.running())

        with pytest.raises(NotSupported):
            await handle.stats()

    @case(OUTPUT, LIMITS)
    async def test_a_limit_holds(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("ulimit -n", limits=Limits(nofile=64)))

        assert joined(await output_of(handle)) == b"64\n"

    @case(OUTPUT)
    async def test_a_run_sees_its_own_ports_and_labels_without_harm(self, bench: ExecutorBench) -> None:
        handle = await bench.launch(self.shell("echo up; while :; do sleep 0.2; done", labels={"team": "a b"}))
        await printed(handle, b"up")

        endpoints = await handle.endpoints()

        assert all(endpoint.addresses for endpoint in endpoints)

    async def _inside(self, executing: Awaitable[Session]) -> tuple[bytes, Session]:
        session = await executing
        return joined(await _all_of(session)), session


async def _all_of(session: Session) -> list[Output]:
    return [chunk async for chunk in session.output()]


def from_hex(shown: bytes) -> Sequence[str]:
    """The texts that SHOW_ARGUMENTS printed: bytes in hexadecimal, a full stop after each text."""
    return [bytes.fromhex(text.decode()).decode() for text in shown.split(b".")[:-1]]
