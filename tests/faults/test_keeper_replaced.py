"""Row 7: the keeper becomes other code under load: same pids, true codes, no gap, no restart; what it holds stays alive."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from pathlib import Path

import harness_core
from harness_core.keeper import Client
from harness_core.keeper.local import connect_local

KEEPER = Path(harness_core.__file__).parent / "keeper"
COUNTERS, MORTALS = 4, 12
GAP = 5.0
"""Seconds without a keeper; measured 0.06 with a hundred services on an idle machine."""

COUNT = """\
import itertools, os, time
for i in itertools.count():
    os.write(1, b"%d\\n" % i), os.write(2, b"%d\\n" % i)
    time.sleep(0.005)
"""
END = """\
import os, sys, time
while not os.path.exists("go"): time.sleep(0.01)
time.sleep(int(sys.argv[1]) / 50)
sys.exit(int(sys.argv[1]))
"""
COUNTER = "  counter-{0}: {{type: process, command: [python3, -S, count.py]}}\n"
MORTAL = "  mortal-{0}: {{type: process, command: [python3, -S, end.py, '{0}'], restart: 'no'}}\n"
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
    harness.write(COUNT, "count.py")
    harness.write(END, "end.py")
    harness.write('version: "1.0"\nname: load\nservices:\n' + "".join(services) + HELD)
    harness.ok("up", "-d", timeout=120)
    before, daemon, keeper = harness.status(), harness.daemon_pid, harness.keeper_pid
    codes = [release(harness.project, number) for number in range(3)]
    runs = {name: service["run"] for name, service in before.items()}

    async def story(client):
        await client.write(runs["typed"], b"one\n")
        await client.write(runs["piped"], b"one\n")
        harness.write("", "go")  # from now on the mortals end, one each fiftieth of a second
        for code in codes:
            result = await client.replace(code=code)
            assert (result.replaced, result.crashed, result.hello.pid) == (True, False, keeper)
        await client.write(runs["typed"], b"two\n")
        await client.write(runs["piped"], b"two\n")

    ask_keeper(harness, story)

    mortals = {f"mortal-{number}": number for number in range(1, MORTALS + 1)}
    eventually(lambda: all(harness.status()[name]["state"] == "failed" for name in mortals), within=60)
    after = harness.status()
    assert {name: after[name]["exit"]["code"] for name in mortals} == mortals
    assert (harness.daemon_pid, harness.keeper_pid) == (daemon, keeper)
    for name, service in after.items():
        assert service["restarts"] == 0
        if not name.startswith("mortal"):
            assert (service["state"], service["pid"], service["run"]) == ("running", before[name]["pid"], runs[name])
    for held in ("typed", "piped"):
        eventually(lambda held=held: harness.lines(held) == ["got one", "got two"], within=30, what=held)
    written = len(harness.lines("counter-0"))
    eventually(lambda: len(harness.lines("counter-0")) > written + 20, within=30)
    for number in range(COUNTERS):
        items = [json.loads(line) for line in harness.lines(f"counter-{number}", "--json")]
        for stream in ("out", "err"):
            counted = [int(item["text"]) for item in items if item["stream"] == stream]
            assert counted == list(range(len(counted)))
            assert counted


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
