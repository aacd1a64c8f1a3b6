"""Limits that hold: memory, CPU time, processes, by whichever version of cgroups this machine has the controller of."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness_core.keeper import Limits
from harness_core.keeper.server import cgroups
from harness_core.keeper.server.cgroups import Cgroups, base_name
from harness_core.keeper.server.cgroups_limits import groups_of
from harness_core.keeper.server.cgroups_v1 import Hierarchies, folders_of

MIB = 1 << 20
HOG = "import sys; print('begins', flush=True); pieces = [bytearray(b'x' * 1048576) for _ in range(300)]; print('never')"
FORKS = """
import os, time
children = []
try:
    for _ in range(50):
        pid = os.fork()
        if pid == 0:
            time.sleep(1000)
        children.append(pid)
except OSError as error:
    print(len(children), error.errno, flush=True)
time.sleep(1000)
"""
BURN = "print('burns', flush=True)\nwhile True: pass"


@functools.cache
def version_of(controller: str) -> int | None:
    """The version of cgroups by which a keeper that is started here limits something; None where it can't."""
    groups, _ = Cgroups.detect(f"/nowhere/{os.getpid()}")
    if groups is not None:
        os.rmdir(groups.base)
        if groups.has(controller):
            return 2
    hierarchy = Hierarchies(f"/nowhere/{os.getpid()}").get(controller)
    if hierarchy is None:
        return None
    try:
        os.rmdir(hierarchy.make("r-test"))
    except OSError:
        return None
    os.rmdir(hierarchy.base)
    return 1


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def held(request: pytest.FixtureRequest) -> int:
    """The version that holds memory, CPU and processes to their limits here; the other one is skipped."""
    found = {controller: version_of(controller) for controller in ("memory", "cpu", "pids")}
    if set(found.values()) != {request.param}:
        pytest.skip(f"limits are not held by cgroup v{request.param} here")
    return int(request.param)


def bases(home: Any) -> list[Path]:
    """Where a keeper that is started here may make groups, in either version."""
    found = [*folders_of("self").values(), cgroups._own_folder()]
    return [Path(folder) / base_name(str(home.state)) for folder in found if folder]


def groups_left(home: Any, run: str = "r1") -> list[str]:
    """The groups of a run that are still there."""
    return [str(base / f"r-{run}") for base in bases(home) if (base / f"r-{run}").exists()]


@pytest.fixture(autouse=True)
def _nothing_is_left(home) -> Iterator[None]:
    yield
    home.clean()
    assert not [base for base in bases(home) if base.exists()]


def test_more_memory_than_allowed_is_death_with_its_reason(home, tools, held):
    async def story(client):
        started = await client.spawn(home.python(HOG, limits=Limits(memory=64 * MIB)))
        return started, await client.wait("r1"), await tools.text(client, "r1")

    started, exit, said = home.play(story)

    assert started.notes == ()
    assert (exit.signal, exit.reason) == ("KILL", "oom")
    assert said == b"begins\n"
    assert groups_left(home) == []


def test_a_shell_whose_command_ran_out_of_memory_says_so_too(home, held):
    async def story(client):
        line = f'{sys.executable} -S -c "$1"; exit $?'
        await client.spawn(home.command("sh", "-c", line, "sh", HOG, limits=Limits(memory=64 * MIB)))
        return await client.wait("r1")

    exit = home.play(story)

    assert (exit.code, exit.reason) == (137, "oom")


def test_less_memory_than_allowed_is_no_trouble(home, held):
    async def story(client):
        await client.spawn(home.python("b = bytearray(b'x' * (30 << 20)); raise SystemExit(5)", limits=Limits(memory=128 * MIB)))
        return await client.wait("r1")

    exit = home.play(story)

    assert (exit.code, exit.reason) == (5, None)


def test_a_limit_below_what_any_program_needs_ends_it_and_not_the_keeper(home, held):
    async def story(client):
        await client.spawn(home.python(HOG, limits=Limits(memory=4096)))
        exit = await client.wait("r1")
        await client.spawn(home.shell("exit 3", run="r2"))
        return exit, await client.wait("r2")

    exit, other = home.play(story)

    assert exit.signal == "KILL"
    assert other.code == 3


def test_a_process_too_many_is_refused_to_it(home, tools, held):
    async def story(client):
        started = await client.spawn(home.python(FORKS, limits=Limits(pids=5)))
        said = await tools.until(client, "r1", b"\n")
        stats = await client.stats("r1")
        await client.kill("r1")
        return started, said, stats

    started, said, stats = home.play(story)

    assert started.notes == ()
    assert said.split() == [b"4", str(errno.EAGAIN).encode()]
    assert stats.processes == 5
    assert groups_left(home) == []


def test_a_single_process_can_be_all_that_is_allowed(home, tools, held):
    async def story(client):
        await client.spawn(home.python(FORKS, limits=Limits(pids=1)))
        said = await tools.until(client, "r1", b"\n")
        await client.kill("r1")
        return said

    assert home.play(story).split() == [b"0", str(errno.EAGAIN).encode()]


def test_cpu_time_is_rationed(home, tools, held):
    async def story(client):
        started = await client.spawn(home.python(BURN, limits=Limits(cpu=0.2)))
        await tools.until(client, "r1", b"burns")
        folder = folders_of(started.pid)["cpu"] if held == 1 else _v2_folder(started.pid)

        def throttled() -> int:
            return int(dict(line.split() for line in (Path(folder) / "cpu.stat").read_text().splitlines())["nr_throttled"])

        tools.eventually(lambda: throttled() > 0)
        await client.kill("r1")
        return started.notes

    assert home.play(story) == ()


def test_it_is_born_in_its_groups_and_so_is_all_that_it_starts(home, tools, held):
    if held == 2:
        pytest.skip("limits are not held by cgroup v1 here")

    async def story(client):
        started = await client.spawn(
            home.shell("cat /proc/self/cgroup; echo; sleep 1000", limits=Limits(pids=50, memory=64 * MIB))
        )
        said = await tools.until(client, "r1", b"\n\n")
        keeper = folders_of(home.keeper_pid)
        exec = await client.exec("r1", ["cat", "/proc/self/cgroup"], env={"PATH": os.environ["PATH"]})
        beside = b"".join([chunk.data async for chunk in exec.output()])
        await exec.aclose()
        found = groups_of(started.pid, "r1")
        await client.kill("r1")
        return said, keeper, beside, found

    said, keeper, _beside, found = home.play(story)

    lines = {line.split(":")[1]: line.split(":")[2] for line in said.decode().split()}
    assert lines["memory"].endswith("/r-r1")
    assert lines["pids"].endswith("/r-r1")
    assert set(found) == {"memory", "pids"}, "no group is made for what is not limited"
    assert not any(folder.endswith("/r-r1") for folder in keeper.values()), "the keeper is back where it was"


def test_limits_and_their_groups_outlive_the_keeper_and_go_with_the_run(home, tools, held):
    async def first(client):
        started = await client.spawn(home.python(FORKS, limits=Limits(pids=5, memory=64 * MIB)))
        await tools.until(client, "r1", b"\n")
        return started

    home.play(first)
    assert groups_left(home)
    home.kill_keeper()

    async def then(client):
        info = await client.info("r1")
        stats = await client.stats("r1")
        await client.kill("r1")
        return info, stats, await client.wait("r1")

    info, stats, exit = home.play(then)

    assert (info.adopted, stats.processes, exit.signal) == (True, 5, "KILL")
    assert exit.reason != "oom"
    assert groups_left(home) == []


def test_what_was_adopted_is_known_to_have_run_out_of_memory(home, tools, held):
    path = home.folder / "go"

    async def begin(client):
        os.mkfifo(path)
        waits = f"open({str(path)!r}).read()\n" + HOG
        await client.spawn(home.python(waits, limits=Limits(memory=64 * MIB)))

    home.play(begin)
    home.kill_keeper()

    async def then(client):
        path.open("w").close()  # it opens as soon as the other side does
        return await client.wait("r1")

    assert home.play(then).reason == "oom"


def test_a_replaced_keeper_holds_and_removes_the_same_groups(home, tools, held):
    from harness_core.keeper.server import main

    async def story(client):
        await client.spawn(home.python(FORKS, limits=Limits(pids=5)))
        await tools.until(client, "r1", b"\n")
        assert (await client.replace(code=os.path.dirname(main.__file__), even_if_same=True)).replaced
        again = home.python(FORKS, run="r2", limits=Limits(pids=3, memory=64 * MIB))
        notes = (await client.spawn(again)).notes
        said = await tools.until(client, "r2", b"\n")
        before = groups_left(home, "r1"), groups_left(home, "r2")
        await client.kill("r1")
        await client.kill("r2")
        return notes, said, before

    notes, said, before = home.play(story)

    assert notes == ()
    assert said.split() == [b"2", str(errno.EAGAIN).encode()]
    assert all(before)
    assert groups_left(home, "r1") == groups_left(home, "r2") == []


def test_an_empty_group_that_a_crash_left_is_removed(home, held):
    if held == 2:
        pytest.skip("limits are not held by cgroup v1 here")
    left = Path(Hierarchies(str(home.state)).get("pids").make("r-lost"))

    async def story(client):
        """To have a keeper."""

    home.play(story)

    assert not left.exists()


def _v2_folder(pid: int) -> str:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return "/sys/fs/cgroup" + line[3:]
    raise AssertionError("not in a cgroup of version 2")
