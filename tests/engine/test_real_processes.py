"""The same engine over real processes: a keeper of its own, real output, real signals."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness_core.contracts.events import State

PROGRAM = """import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("bye", flush=True), os._exit(0)))
print("hello", os.environ.get("GREETING"), flush=True)
print("oh", file=sys.stderr, flush=True)
time.sleep(1000)"""


def command(*argv: str) -> dict[str, Any]:
    return {"argv": list(argv), "working_dir": "/", "shell": False, "stdin": False, "tty": False}


@pytest.fixture
def bench(bench: Any) -> Iterator[Any]:
    process = pytest.importorskip("harness_plugin_process.plugin")
    bench.executors = tuple(process.harness_executors())
    with tempfile.TemporaryDirectory(prefix="h-") as folder:  # short: a socket's path is limited
        bench.folder = Path(folder)
        yield bench


async def test_a_process_lives_is_adopted_says_its_words_once_and_stops(bench: Any) -> None:
    block = {"type": "process", "command": command(sys.executable, "-u", "-c", PROGRAM), "env": {"GREETING": "you"}}
    try:
        assert (await bench.apply({"api": block}, wait=True))["reached"]
        pid = bench.manager._projects["shop-1"].supervisors["api"].run.handle.state().data["pid"]
        async with asyncio.timeout(10):
            while len(items := [i async for i in bench.manager.logs.read("shop-1")]) < 2:  # noqa: ASYNC110 - files tell nobody
                await asyncio.sleep(0.02)

        await bench.reopen()
        await bench.reaches("api", State.RUNNING)
        assert bench.supervisor("api").run.handle.state().data["pid"] == pid
        result = await bench.stop("api")

        assert result["reached"]
        rest = [i["text"] async for i in bench.manager.logs.read("shop-1", cursors={"api": items[-1]["cursor"]})]
        assert sorted(item["text"] for item in items) == ["hello you", "oh"]
        assert rest == ["bye"]
        assert bench.supervisor("api").exit.code == 0
    finally:
        await bench.stop(down=True)


async def test_a_program_that_is_not_there_is_named_before_anything_starts(bench: Any) -> None:
    from harness_core.engine.preparation import PrepareFailed

    with pytest.raises(PrepareFailed, match=r"service 'api': .*no-such-program") as raised:
        await bench.apply(
            {
                "api": {"type": "process", "command": command("no-such-program")},
                "db": {"type": "process", "command": command("sleep", "9")},
            }
        )

    assert raised.value.kind == "launch.command-not-found"


STOPPABLE = """import os, signal, time
def stop(*_):
    print("TERM after", [name for name in os.listdir(".") if name[0] != "."], flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
open(".pid", "w").write(str(os.getpid()))
print("ready", flush=True)
time.sleep(1000)"""


async def stopped_with(bench: Any, line: str, **keys: Any) -> dict[str, Any]:
    """What a service that is stopped by this line of shell left: its output, its notes, how it ended."""
    folder = bench.folder / "work"
    folder.mkdir()
    block = {
        "type": "process",
        "command": {**command(sys.executable, "-u", "-c", STOPPABLE), "working_dir": str(folder)},
        "env": {"API_TOKEN": "tell-nobody", "PATH": "/usr/bin:/bin"},
        "secrets": ["tell-nobody"],
        "ports": [bench.port("http", 4321)],
        "health_check": None,
        "stop": {"command": ["sh", "-c", line], "timeout": keys.pop("timeout", 10.0)},
        **keys,
    }
    try:
        assert (await bench.apply({"api": block}, wait=True))["reached"]
        async with asyncio.timeout(30):
            while not [i async for i in bench.manager.logs.read("shop-1")]:  # noqa: ASYNC110 - files tell nobody
                await asyncio.sleep(0.02)
        await bench.stop("api")
        return {
            "said": [i["text"] async for i in bench.manager.logs.read("shop-1")][1:],
            "notes": [event["detail"] for event in bench.events("api", "note")],
            "killed": [event["reason"] for event in bench.events("api", "killed")],
            "exit": bench.supervisor("api").exit,
            "made": {path.name: path.read_text() for path in folder.iterdir()},
        }
    finally:
        await bench.stop(down=True)


async def test_a_stop_command_runs_in_its_place_before_the_signal(bench: Any) -> None:
    left = await stopped_with(bench, "echo $API_TOKEN ${api.port} $$$$ >told")

    assert left["said"] == ["TERM after ['told']"]
    assert left["made"]["told"].split()[:2] == ["tell-nobody", "4321"]
    assert left["made"]["told"].split()[2].isdigit(), "two dollars are one, so the shell saw its own pid"
    assert (left["notes"], left["killed"], left["exit"].code) == ([], [], 0)


async def test_a_stop_command_that_fails_is_noted_masked_and_the_signal_follows(bench: Any) -> None:
    left = await stopped_with(bench, "echo no entry with $API_TOKEN >&2; exit 3")

    assert left["said"] == ["TERM after []"]
    assert len(left["notes"]) == 1
    assert left["notes"][0].endswith("exited with 3: no entry with ••••••")
    assert left["exit"].code == 0


async def test_a_stop_command_that_hangs_is_ended_and_nothing_of_it_is_left(bench: Any) -> None:
    left = await stopped_with(bench, "echo $$$$ >pid; sleep 1000", timeout=1.0)

    assert left["notes"][0].endswith("did not end in time")
    pid = left["made"]["pid"].strip()
    async with asyncio.timeout(30):
        while os.path.exists(f"/proc/{pid}"):  # noqa: ASYNC110, ASYNC240 - the keeper kills it, nobody tells us
            await asyncio.sleep(0.02)


async def test_a_stop_command_may_end_the_service_by_itself(bench: Any) -> None:
    left = await stopped_with(bench, "kill -KILL $(cat .pid)")

    assert (left["said"], left["notes"]) == ([], [])
    assert left["exit"].signal == "KILL"
