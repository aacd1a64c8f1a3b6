"""The same engine over real processes: a keeper of its own, real output, real signals."""

from __future__ import annotations

import asyncio
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
