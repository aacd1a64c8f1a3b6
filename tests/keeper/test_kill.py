"""A stop leaves nothing behind: both with a cgroup and without."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from harness_core.keeper import NoSuchRun, Refused, SurvivorsError

TREE = r"""
import os, sys, time
WORD = sys.argv[1]
def sleep(env=None):
    os.execve("/bin/sleep", ["sleep-" + WORD, "987"], dict(os.environ) if env is None else env)
def daemon(env=None):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            sleep(env)
        os._exit(0)
    os.wait()
if os.fork() == 0: sleep()
if os.fork() == 0: os.setsid(); sleep()
daemon()
daemon({})
os.write(1, b"grown\n")
if len(sys.argv) > 2: sys.exit(0)
time.sleep(987)
"""
HOPPERS = r"""
import os, sys, time
for i in range(8):
    if os.fork() == 0:
        os.setsid()
        end = time.monotonic() + 8  # a test that fails must not leave them hopping for ever
        while time.monotonic() < end:
            if os.fork(): os._exit(0)
            time.sleep(0.002)
        os._exit(0)
os.write(1, b"grown\n")
time.sleep(99)
"""


@pytest.mark.parametrize("main", ["alive", "gone"])
def test_a_tree_that_forks_away_is_killed_whole(home, tools, containment, main):
    word = f"tree-{os.getpid()}-{time.monotonic_ns()}"

    async def story(client):
        started = await client.spawn(home.python(TREE, word, *(["leave"] if main == "gone" else [])))
        await tools.until(client, "r1", b"grown\n")
        if main == "gone":
            await client.wait("r1")
        before = tools.eventually(lambda: len(tools.processes_with("sleep-" + word)) == 4)
        begin = time.monotonic()
        await client.kill("r1")
        return started, before, tools.processes_with(word), time.monotonic() - begin

    started, before, after, took = home.play(story)

    assert started.containment == containment
    assert before
    assert after == []
    assert took < 5


def test_a_tree_that_hops_by_forking_is_killed_whole(home, tools, containment):
    word = f"hop-{os.getpid()}-{time.monotonic_ns()}"

    async def story(client):
        await client.spawn(home.python(HOPPERS, word))
        await tools.until(client, "r1", b"grown\n")
        await client.kill("r1")
        return [pid for _ in range(3) for pid in tools.processes_with(word)]

    assert home.play(story) == []


@pytest.mark.parametrize(
    "script", ["trap '' TERM HUP INT; echo up; while :; do sleep 1; done", "echo up; kill -s STOP $$; sleep 9"]
)
def test_what_ignores_term_or_is_stopped_is_killed_at_once(home, tools, containment, script):
    async def story(client):
        await client.spawn(home.shell(script))
        await tools.until(client, "r1", b"up\n")
        await client.signal("r1", "TERM")
        begin = time.monotonic()
        await client.kill("r1")
        return await client.wait("r1"), time.monotonic() - begin

    exit, took = home.play(story)

    assert (exit.code, exit.signal) == (None, "KILL")
    assert took < 4


def test_killing_one_run_leaves_its_neighbours(home, containment):
    async def story(client):
        await asyncio.gather(*(client.spawn(home.shell("sleep 1000 & wait", run=f"r{n}")) for n in range(4)))
        await client.kill("r2")
        return [info.run for info in await client.list() if info.exit is None]

    assert home.play(story) == ["r0", "r1", "r3"]


def test_many_are_killed_at_once_in_the_time_of_one(home, containment):
    async def story(client):
        names = [f"r{n}" for n in range(60)]
        await asyncio.gather(*(client.spawn(home.command("sleep", "1000", run=name)) for name in names))
        begin = time.monotonic()
        await asyncio.gather(*(client.kill(name) for name in names))
        took = time.monotonic() - begin
        return took, {(await client.wait(name)).signal for name in names}

    took, signals = home.play(story)

    assert signals == {"KILL"}
    assert took < 4


def test_killing_twice_at_once_or_again_is_harmless(home, containment):
    async def story(client):
        await client.spawn(home.command("sleep", "1000"))
        await asyncio.gather(client.kill("r1"), client.kill("r1"))
        await client.kill("r1")
        with pytest.raises(NoSuchRun):
            await client.kill("nobody")
        return await client.wait("r1")

    assert home.play(story).signal == "KILL"


def test_survivors_are_named_within_the_time_given_while_others_go_on(home, tools, containment):
    # What a cgroup v1 freezer holds does not even die of KILL until it is thawed.
    freezer = Path("/sys/fs/cgroup/freezer") / f"keeper-test-{os.getpid()}"
    try:
        freezer.mkdir()
    except OSError as error:
        pytest.skip(f"nothing unkillable can be made on this machine: no cgroup v1 freezer ({error.strerror})")

    async def story(client):
        started = await client.spawn(home.command("sleep", "76543"))
        await client.spawn(home.shell("echo up; exit 3", run="other"))
        (freezer / "cgroup.procs").write_text(str(started.pid))
        (freezer / "freezer.state").write_text("FROZEN")
        tools.eventually(lambda: "FROZEN" in (freezer / "freezer.state").read_text())
        try:
            begin = time.monotonic()
            killing = asyncio.ensure_future(client.kill("r1", 0.4))
            other = (await client.wait("other")).code
            with pytest.raises(SurvivorsError) as caught:
                await killing
            took = time.monotonic() - begin
        finally:
            (freezer / "freezer.state").write_text("THAWED")
        await client.kill("r1")
        return started, caught.value, took, other

    try:
        started, error, took, other = home.play(story)
    finally:
        tools.eventually(lambda: not (freezer / "cgroup.procs").read_text())
        freezer.rmdir()

    assert error.survivors == ((started.pid, "sleep 76543"),)
    assert "sleep 76543" in str(error)
    assert 0.3 < took < 4
    assert other == 3


def test_a_run_that_lives_is_not_disposed_of_nor_one_whose_children_live(home, tools, containment):
    async def story(client):
        await client.spawn(home.shell("sleep 1000 & echo up; read x", stdin=True))
        await tools.until(client, "r1", b"up\n")
        with pytest.raises(Refused, match="still running"):
            await client.dispose("r1")
        await client.write("r1", None)
        await client.wait("r1")
        with pytest.raises(Refused, match="live on"):
            await client.dispose("r1")
        await client.kill("r1")
        await client.dispose("r1")
        await client.dispose("r1")
        with pytest.raises(NoSuchRun):
            await client.info("r1")
        return await client.list()

    assert home.play(story) == []
    assert list((home.state / "runs").iterdir()) == []


def test_the_keeper_leaves_no_cgroup_behind(home, tools):
    from harness_core.keeper.server.cgroups import Cgroups

    groups, why = Cgroups.detect(str(home.state))
    if groups is None:
        pytest.skip("no cgroup v2 can be made on this machine: " + why)

    async def story(client):
        await client.spawn(home.shell("sleep 1000 & sleep 1000"))
        await client.exec("r1", ["sleep", "1000"], env={"PATH": os.environ["PATH"]})
        inside = [name for name in os.listdir(groups.base) if name.startswith("r-")]
        await client.kill("r1")
        left = [name for name in os.listdir(groups.base) if name.startswith("r-")]
        await client.dispose("r1")
        await client.shutdown()
        return inside, left

    assert home.play(story) == (["r-r1"], [])
    tools.eventually(lambda: not os.path.exists(groups.base))


def test_stats_count_the_whole_tree(home, tools, containment):
    burn = "import subprocess, time\np = subprocess.Popen(['sleep', '1000'])\nt = time.process_time()\n"
    burn += "while time.process_time() - t < 0.2: pass\nprint('up', flush=True)\ntime.sleep(1000)"

    async def story(client):
        await client.spawn(home.python(burn))
        await tools.until(client, "r1", b"up\n")
        return await client.stats("r1")

    stats = home.play(story)

    assert stats.processes == 2
    assert 0.15 < stats.cpu_seconds < 2
    assert 1 << 20 < stats.rss < 100 << 20
