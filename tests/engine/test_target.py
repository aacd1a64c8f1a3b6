"""What a probe may touch: commands inside, fresh lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from harness_core.contracts.command import Command
from harness_core.contracts.health import ExecResult
from harness_core.contracts.output import Cursor, Output, OutputQuery, Stream
from harness_core.contracts.run import LaunchSpec
from harness_core.engine.run import Run
from harness_core.engine.target import EXEC_CAP, ServiceTarget
from harness_core.testing.fakes.handle import FakeSession

AT = datetime(2030, 1, 1, tzinfo=UTC)


class Handle:
    """As much of a handle as a target needs."""

    def __init__(self) -> None:
        self.said: list[Output] = []
        self.ran: list[Command] = []
        self.answer = b""

    def say(self, data: bytes, stream: Stream = Stream.OUT) -> None:
        self.said.append(Output(Cursor(str(len(self.said) + 1)), AT, stream, data))

    async def output(self, query: OutputQuery) -> AsyncIterator[Output]:
        for chunk in self.said[int(str(query.since or 0)) :]:
            yield chunk

    async def exec(self, command: Command) -> Any:
        self.ran.append(command)
        return FakeSession(ExecResult(3, self.answer))


def target(handle: Any, base: Command | None = None) -> ServiceTarget:
    run = Run("r", handle, LaunchSpec("p", "api", "r"), AT, 0.0)
    return ServiceTarget(run, base=base, wrap=lambda command: command, endpoints=())


async def test_fresh_output_is_whole_lines_once() -> None:
    handle = Handle()
    seen = target(handle)
    handle.say(b"one\ntw")

    assert await seen.fresh_output() == [b"one"]
    assert await seen.fresh_output() == []
    handle.say(b"o\n")
    assert await seen.fresh_output() == [b"two"]


async def test_lines_of_two_streams_stay_whole() -> None:
    handle = Handle()
    handle.say(b"server rea")
    handle.say(b"warning\n", Stream.ERR)
    handle.say(b"dy\n")

    assert sorted(await target(handle).fresh_output()) == [b"server ready", b"warning"]


async def test_of_too_much_fresh_output_the_end_is_kept(monkeypatch: Any) -> None:
    from harness_core.engine import target as module

    monkeypatch.setattr(module, "FRESH_CAP", 100)
    handle = Handle()
    for number in range(1000):
        handle.say(b"%d\n" % number)

    lines = await target(handle).fresh_output()

    assert lines[-1] == b"999"
    assert sum(map(len, lines)) <= 100


async def test_a_command_inside_gets_the_services_environment_and_the_end_of_its_talk_is_kept() -> None:
    handle = Handle()
    handle.answer = b"x" * EXEC_CAP + b"the error"

    result = await target(handle, Command(("serve",), env={"A": "1", "B": "1"}, cwd="/srv")).exec(
        Command(("ask",), env={"B": "2"})
    )

    assert handle.ran == [Command(("ask",), env={"A": "1", "B": "2"}, cwd="/srv")]
    assert (result.code, len(result.output), result.output[-9:]) == (3, EXEC_CAP, b"the error")
