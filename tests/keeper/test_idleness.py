"""A keeper that nobody needs ends itself, and only then."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

import pytest

from harness_core.keeper.server import main

SECONDS = 0.4


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setenv("HARNESS_KEEPER_IDLE_SECONDS", str(SECONDS))


def test_it_ends_with_nothing_to_keep_and_no_client_and_forgets_nothing(home, tools):
    async def first(client):
        await client.spawn(home.shell("echo kept; exit 4"))
        return await client.wait("r1")

    async def second(client):
        return (await client.info("r1")).exit, await tools.text(client, "r1")

    exit = home.play(first)
    pid = home.keeper_pid
    left_at = time.monotonic()

    tools.eventually(lambda: not tools.alive(pid))

    assert time.monotonic() - left_at > SECONDS / 2
    assert not (home.state / "keeper.sock").exists()
    assert not home.fifos.exists()
    assert home.play(second) == (exit, b"kept\n")


def test_it_stays_for_a_client(home, tools):
    async def story(client):
        await asyncio.sleep(3 * SECONDS)
        return client.hello.pid

    assert tools.alive(home.play(story))


@pytest.mark.parametrize("script", ["sleep 1000", "setsid -f sleep 1000"], ids=["a run", "what a run left"])
def test_it_stays_for(home, tools, script, containment):
    async def story(client):
        await client.spawn(home.shell(script))
        if "setsid" in script:
            await client.wait("r1")
        return client.hello.pid

    pid = home.play(story)

    until = time.monotonic() + 3 * SECONDS
    while time.monotonic() < until:
        assert tools.alive(pid)
        time.sleep(0.05)


def test_a_replacement_ends_as_well(home, tools):
    async def story(client):
        assert (await client.replace(code=os.path.dirname(main.__file__), even_if_same=True)).replaced
        return client.hello.pid

    pid = home.play(story)

    tools.eventually(lambda: not tools.alive(pid))


def test_who_comes_while_it_ends_is_served_by_another(home, tools):
    pids = set()

    async def story(client):
        pids.add(client.hello.pid)
        return await client.list()

    until = time.monotonic() + 4 * SECONDS
    while len(pids) < 3 and time.monotonic() < until:
        assert home.play(story) == []
        time.sleep(SECONDS)  # about when the one that was just left has had enough

    assert home.play(story) == []


def test_a_wrong_number_is_told(home, monkeypatch):
    monkeypatch.setenv("HARNESS_KEEPER_IDLE_SECONDS", "soon")
    code = os.path.dirname(main.__file__)

    done = subprocess.run(
        [sys.executable, "-I", "-S", code, home.state], capture_output=True, text=True, timeout=20, check=False
    )

    assert done.returncode == 1
    assert "HARNESS_KEEPER_IDLE_SECONDS is no number of seconds: 'soon'" in done.stderr
