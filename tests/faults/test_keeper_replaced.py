"""Row 7: the keeper becomes other code under load: same pids, true codes, no gap, no restart; what it holds stays alive."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import harness_core
from harness_core.keeper import Client
from harness_core.keeper.local import connect_local

KEEPER = Path(harness_core.__file__).parent / "keeper"
COUNTERS, MORTALS = 6, 12
GAP = 5.0
"""Seconds without a keeper; measured 0.06 with a hundred services on an idle machine."""

COUNTER = """\
  counter-{0}:
    type: process
    command: [sh, -c, "i=0; while :; do echo $i; echo err $i >&2; i=$((i+1)); sleep 0.01; done"]
"""
MORTAL = """\
  mortal-{0}:
    type: process
    command: [sh, -c, "while [ ! -e go ]; do sleep 0.01; done; sleep 0.{0:02d}; exit {0}"]
    restart: "no"
"""
HELD = """\
  typed:
    type: process
    tty: true
    command: [sh, -c, "stty -echo; while read -r line; do echo \\"got $line\\"; done"]
  piped:
    type: process
    stdin: true
    command: [sh, -c, "while read -r line; do echo \\"got $line\\"; done"]
"""


def release(folder: Path, number: int) -> str:
    """The keeper's code as another release would have it."""
    root = folder / f"release-{number}" / "harness_core"
    shutil.copytree(KEEPER, root / "keeper", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(KEEPER.parent / "__init__.py", root)
    with (root / "keeper" / "server" / "refusal.py").open("a") as file:
        file.write(f"# release {number}\n")
    return str(root / "keeper" / "server")


def ask_keeper(harness, story):
    """What the story makes of a client of this harness's keeper, besides the daemon's own."""

    async def bounded():
        client = Client(lambda: connect_local(harness.state_dir / "keeper"), name="operator", patience=10)
        await client.connect(timeout=30)
        try:
            return await asyncio.wait_for(story(client), 60)
        finally:
            await client.aclose()

    return asyncio.run(bounded())


def test_under_load_nobody_notices(harness, eventually):
    services = [COUNTER.format(n) for n in range(COUNTERS)] + [MORTAL.format(n) for n in range(1, MORTALS + 1)]
    harness.write('version: "1.0"\nname: load\nservices:\n' + "".join(services) + HELD)
    harness.ok("up", "-d", timeout=120)
    before, daemon, keeper = harness.status(), harness.daemon_pid, harness.keeper_pid
    codes = [release(harness.project, number) for number in range(3)]
    runs = {name: service["run"] for name, service in before.items()}

    async def story(client):
        await client.write(runs["typed"], b"one\n")
        await client.write(runs["piped"], b"one\n")
        harness.write("", "go")  # from now on the mortals end, one each hundredth of a second
        for code in codes:
            result = await client.replace(code=code)
            assert (result.replaced, result.crashed, result.hello.pid) == (True, False, keeper)
        await client.write(runs["typed"], b"two\n")
        await client.write(runs["piped"], b"two\n")

    ask_keeper(harness, story)

    for number in range(1, MORTALS + 1):
        assert harness.reaches(f"mortal-{number}", "failed", within=30)["exit"]["code"] == number
    after = harness.status()
    assert (harness.daemon_pid, harness.keeper_pid) == (daemon, keeper)
    for name, service in after.items():
        assert service["restarts"] == 0
        if not name.startswith("mortal"):
            assert (service["state"], service["pid"], service["run"]) == ("running", before[name]["pid"], runs[name])
    for held in ("typed", "piped"):
        eventually(lambda held=held: harness.lines(held) == ["got one", "got two"], within=30, what=held)
    for number in range(COUNTERS):
        written = len(harness.lines(f"counter-{number}", "--stream", "out"))
        eventually(lambda n=number, w=written: len(harness.lines(f"counter-{n}", "--stream", "out")) > w + 20, within=30)
        out = [int(line) for line in harness.lines(f"counter-{number}", "--stream", "out")]
        err = [int(line.removeprefix("err ")) for line in harness.lines(f"counter-{number}", "--stream", "err")]
        assert out == list(range(len(out)))
        assert err == list(range(len(err)))


def test_a_hundred_services_are_without_a_keeper_for_a_moment_only(harness):
    service = '  s{0}: {{type: process, command: [sleep, "1000"]}}\n'
    harness.write('version: "1.0"\nname: many\nservices:\n' + "".join(service.format(number) for number in range(100)))
    harness.ok("up", "-d", timeout=120)
    before = {name: service["pid"] for name, service in harness.status().items()}
    code = release(harness.project, 1)

    async def story(client):
        changes = []
        client.on_link(lambda change: changes.append((change.up, time.monotonic())))
        await client.replace(code=code)
        (_, lost), (_, back) = changes
        return back - lost

    assert ask_keeper(harness, story) < GAP
    assert {name: service["pid"] for name, service in harness.status().items()} == before
