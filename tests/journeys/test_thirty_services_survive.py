"""The daemon, then the keeper, is killed with -9 under thirty services: same pids, no gap in any log, true exit codes."""

from __future__ import annotations

import os
import signal
import time


def test_kill_9_of_the_daemon(thirty):
    before = pids(thirty)
    report = before.pop("report")
    victim = thirty.daemon_pid
    os.kill(victim, signal.SIGKILL)
    os.kill(report, signal.SIGUSR1)  # it ends with code 7 while no daemon is there
    written_at_kill = {name: last_number(thirty, name) for name in before}

    status = thirty.status()

    assert thirty.daemon_pid != victim
    assert {name: status[name]["pid"] for name in before} == before
    assert status["report"]["exit"]["code"] == 7
    assert status["setup"]["state"] == "completed"
    assert status["seed"]["state"] == "completed"
    for name, number in written_at_kill.items():
        assert_gapless(thirty, name, beyond=number + 5)


def test_kill_9_of_the_keeper(thirty):
    before = pids(thirty)
    daemon, victim = thirty.daemon_pid, thirty.keeper_pid
    written_at_kill = {name: last_number(thirty, name) for name in before}
    os.kill(victim, signal.SIGKILL)

    status = thirty.status()

    assert thirty.daemon_pid == daemon
    assert thirty.keeper_pid != victim
    assert {name: status[name]["pid"] for name in before} == before
    assert all(service["restarts"] == 0 for service in status.values())
    for name, number in written_at_kill.items():
        assert_gapless(thirty, name, beyond=number + 5)


def pids(thirty) -> dict[str, int]:
    found = {name: service["pid"] for name, service in thirty.status().items() if service["state"] == "running"}
    assert len(found) == 28
    return found


def last_number(thirty, name: str) -> int:
    return numbers(thirty.lines(name, "--tail", "1"))[-1]


def assert_gapless(thirty, name: str, *, beyond: int) -> None:
    """The log of a counter is 0, 1, 2 … and has gone on past `beyond`."""
    deadline = time.monotonic() + 10
    while (last := last_number(thirty, name)) < beyond:
        assert time.monotonic() < deadline, f"{name} has stopped counting at {last}, before {beyond}"
    counted = numbers(thirty.lines(name))
    assert counted == list(range(len(counted))), f"{name} has a gap"


def numbers(lines: list[str]) -> list[int]:
    return [int(line) for line in lines if line != "ready"]
