"""The ladder that ends a run, rung by rung, with handles that misbehave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness_core.config.model import StopConfig
from harness_core.contracts.command import Command
from harness_core.contracts.errors import LaunchFailed, NotSupported, Survivors, Unreachable
from harness_core.contracts.execution import ProcessHandle
from harness_core.contracts.health import ExecResult
from harness_core.contracts.run import Exit, HandleState, Stats
from harness_core.engine import ladder
from harness_core.engine.ladder import LOST, Ended, descend


class Handle(ProcessHandle):
    """Ends when asked (`obeys`) or killed (`dies`); `breaks` says what raises."""

    ref = "handle"

    def __init__(self, *, obeys: bool = True, dies: bool = True, left: int = 0, **breaks: Exception) -> None:
        self.obeys, self.dies, self.left, self.breaks = obeys, dies, left, breaks
        self.ended: asyncio.Event = asyncio.Event()
        self.exit = Exit(0)
        self.calls: list[str] = []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.breaks:
            raise self.breaks[name]

    async def wait(self) -> Exit:
        await self.ended.wait()
        return self.exit

    async def request_stop(self, signal: str | None, grace: float) -> None:
        self._call("request_stop")
        if self.obeys:
            self.ended.set()

    async def kill(self) -> None:
        self._call("kill")
        if not self.dies:
            raise Survivors(["pid 7"])
        if not self.ended.is_set():
            self.exit = Exit(signal="KILL")
        self.ended.set()

    async def stats(self) -> Stats:
        return Stats(processes=self.left)

    async def signal(self, name: str) -> None:
        self._call("signal")

    async def dispose(self) -> None:
        self._call("dispose")

    def state(self) -> HandleState:
        return HandleState(1)

    def output(self, query: Any = None) -> Any:
        raise NotSupported("none")


async def down(
    handle: Handle, *, grace: float = 0.05, command: tuple[str, ...] | None = None, inside: Any = None, now: bool = False
) -> Ended:
    kill_now = asyncio.Event()
    if now:
        kill_now.set()
    return await descend(handle, StopConfig(None, grace, command), grace=grace, kill_now=kill_now, run_inside=inside)


async def test_who_obeys_is_not_said_to_be_killed() -> None:
    assert await down(Handle()) == Ended(Exit(0))


async def test_who_ignores_it_is_killed_at_the_end_of_its_grace() -> None:
    assert await down(Handle(obeys=False)) == Ended(Exit(signal="KILL"), "did not end within 0.05 s")


async def test_what_is_left_behind_is_said() -> None:
    assert (await down(Handle(left=2))).killed == "its main process ended and left others behind"


async def test_kill_now_asks_nobody() -> None:
    handle = Handle()

    assert (await down(handle, now=True)).killed == "asked to kill"
    assert handle.calls == ["kill"]


async def test_survivors_are_named_at_once() -> None:
    async with asyncio.timeout(2):
        ended = await down(Handle(obeys=False, dies=False))

    assert ended.survivors == ("pid 7",)
    assert ended.exit == LOST


@pytest.mark.parametrize("error", [NotSupported("no signals"), LaunchFailed("odd")])
async def test_who_can_not_be_asked_is_killed(error: Exception) -> None:
    ended = await down(Handle(obeys=False, request_stop=error))

    assert ended.exit == Exit(signal="KILL")
    assert ended.notes == (f"it could not be asked to stop: {error}",)


async def test_asking_that_hangs_is_followed_by_kill(monkeypatch: Any) -> None:
    monkeypatch.setattr(ladder, "CALL_TIMEOUT", 0.05)
    handle = Handle(obeys=False)

    async def hang(signal: str | None, grace: float) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(handle, "request_stop", hang)

    assert (await down(handle)).exit == Exit(signal="KILL")


async def test_a_place_that_can_not_be_asked_is_told_and_not_taken_for_an_end() -> None:
    for rung in ("request_stop", "kill"):
        with pytest.raises(Unreachable):
            await down(Handle(obeys=False, **{rung: Unreachable("gone")}))


async def test_a_kill_that_fails_leaves_a_survivor_and_no_traceback() -> None:
    ended = await down(Handle(obeys=False, kill=LaunchFailed("engine says no")))

    assert ended.survivors == ("handle: engine says no",)


async def test_a_stop_command_shares_the_patience_and_its_trouble_is_noted() -> None:
    async def hang(command: Command) -> ExecResult:
        await asyncio.Event().wait()
        return ExecResult(0, b"")

    async def refuse(command: Command) -> ExecResult:
        raise NotSupported("no exec")

    async with asyncio.timeout(2):
        assert (await down(Handle(), command=("bye",), inside=hang)).notes == ("stop command bye did not end in time",)
    assert (await down(Handle(), command=("bye",), inside=refuse)).notes == ("stop command bye failed: no exec",)


@pytest.mark.parametrize(
    ("result", "note"),
    [
        (ExecResult(0, b"fine"), None),
        (ExecResult(7, b""), "stop command bye exited with 7"),
        (ExecResult(7, b"trying\nno route to it\n\n"), "stop command bye exited with 7: no route to it"),
        (ExecResult(None, b"\xff", "SEGV"), "stop command bye was ended by SEGV: \ufffd"),
    ],
)
async def test_a_stop_command_that_fails_is_noted_with_its_last_words(result: ExecResult, note: str | None) -> None:
    async def answer(command: Command) -> ExecResult:
        return result

    assert (await down(Handle(), command=("bye",), inside=answer)).notes == ((note,) if note else ())
