"""Hands on one service: what its executor or its layers can't do is refused before anything is tried."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness_core.contracts.command import Command
from harness_core.contracts.errors import HarnessError
from harness_core.contracts.health import ExecResult
from harness_core.contracts.offer import Capability
from harness_core.testing import FakeWorld, fake_attach_offer, fake_layer_offer, fake_offer
from harness_core.testing.fakes.launcher import FAKE_CAPABILITIES

ABLE = FAKE_CAPABILITIES | {Capability.COMMAND, Capability.EXEC, Capability.TTY}
COMMAND = {"argv": ["serve"], "working_dir": "/srv", "shell": False, "stdin": False, "tty": False}
LAYER = [{"type": "fake", "config": {"mark": "a"}}]
INSIDE = Command(("look",), {"MINE": "1"})


def offers(world: FakeWorld, without: Capability | None = None) -> Any:
    return (fake_offer(world, capabilities=ABLE - {without}), fake_attach_offer(world))


async def running(bench: Any, *, without: Capability | None = None, passes: frozenset[str] | None = None, **keys: Any) -> Any:
    """The console, with one service that runs, of an executor that can all but one thing."""
    bench.executors = offers(bench.world, without)
    if passes is not None:
        bench.layers = (fake_layer_offer(passes=passes),)
        keys["layers"] = LAYER
    await bench.manager.aclose()
    await bench.open()
    await bench.apply({"api": {"command": COMMAND, "env": {"OURS": "2"}, **keys}}, wait=True)
    return bench.manager.console


async def refusal(awaitable: Any) -> HarnessError:
    with pytest.raises(HarnessError) as error:
        await awaitable
    return error.value


async def test_a_command_inside_is_behind_the_layers_in_the_services_environment_and_folder(bench: Any) -> None:
    seen = []
    bench.world.on_exec = lambda spec, command: seen.append(command) or ExecResult(0, b"")
    console = await running(bench, passes=frozenset({"stdin", "tty", "signals"}))

    await console.exec("shop-1", "api", replace(INSIDE, cwd="below", tty=True, stdin=True, size=(3, 4)))

    (command,) = seen
    assert command.argv[:3] == ("env", "-C", "/srv/below")
    assert {"OURS=2", "MINE=1", "FAKE_LAYER_a=1"} <= set(command.argv)
    assert command.argv[-1] == "look"
    assert (command.tty, command.stdin, command.size) == (True, True, (3, 4))


@pytest.mark.parametrize(
    ("lacks", "changes", "told"),
    [
        (Capability.EXEC, {}, "executor 'fake' can't run commands inside (no EXEC)"),
        (Capability.TTY, {"tty": True}, "executor 'fake' gives no terminals (no TTY)"),
    ],
)
async def test_what_the_executor_can_not_do_is_said(bench: Any, lacks: Capability, changes: dict[str, Any], told: str) -> None:
    console = await running(bench, without=lacks)

    error = await refusal(console.exec("shop-1", "api", replace(INSIDE, **changes)))

    assert (error.kind, error.message) == ("capability.missing", f"service 'api': {told}")


@pytest.mark.parametrize(
    ("passes", "changes", "told", "hint"),
    [
        ({"signals", "stdin"}, {"tty": True}, "a terminal", "leave out -t, or say -T"),
        ({"signals", "tty"}, {"stdin": True}, "stdin", "say --no-stdin"),
    ],
)
async def test_what_a_layer_does_not_pass_is_said(
    bench: Any, passes: set[str], changes: dict[str, Any], told: str, hint: str
) -> None:
    console = await running(bench, passes=frozenset(passes))

    error = await refusal(console.exec("shop-1", "api", replace(INSIDE, **changes)))
    await console.exec("shop-1", "api", INSIDE)

    assert error.message == f"service 'api': layer 'fake' does not pass {told} on"
    assert error.hint == hint


async def test_a_terminal_is_resized_and_fed_where_there_is_one(bench: Any) -> None:
    console = await running(bench, **{"command": {**COMMAND, "tty": True}})

    await console.resize("shop-1", "api", rows=30, columns=90)
    await console.write("shop-1", "api", b"keys")

    run = bench.world.latest("api")
    assert (run.size, bytes(run.stdin)) == ((30, 90), b"keys")
    assert console.attach("shop-1", "api").tty


async def test_without_one_there_is_nothing_to_resize_or_to_feed(bench: Any) -> None:
    console = await running(bench)

    assert (await refusal(console.resize("shop-1", "api", rows=1, columns=1))).hint == "write `tty: true` in its block"
    assert "has no stdin" in (await refusal(console.write("shop-1", "api", b"x"))).message
    assert not console.attach("shop-1", "api").stdin


async def test_signals_are_told_and_refused_where_they_can_not_be_sent(bench: Any) -> None:
    console = await running(bench, without=Capability.SIGNALS)

    assert "(no SIGNALS)" in (await refusal(console.signal("shop-1", "api", "HUP", by="me"))).message

    console = await running(bench)
    await console.signal("shop-1", "api", "sighup", by="me")
    assert [event["detail"] for event in bench.events("api", "note")][-1] == "signal HUP sent by me"


async def test_of_what_does_not_run_there_is_no_console(bench: Any) -> None:
    console = await running(bench)
    await bench.stop("api")

    api = ("shop-1", "api")
    for asked in (console.exec(*api, INSIDE), console.write(*api, b""), console.signal(*api, "1", by="me")):
        error = await refusal(asked)
        assert (error.kind, error.hint) == ("service.not-running", "harness start api")
