"""Rows 5 and 6: kill -9 of the keeper: services are adopted, no SIGPIPE, no gap; what ends in the gap is handled once."""

from __future__ import annotations

import os
import signal
import time

CONFIG = """\
version: "1.0"
name: orphans
services:
  talker:
    type: process
    command: [sh, -c, "i=0; while :; do echo $i; echo err $i >&2; i=$((i+1)); sleep 0.02; done"]
  mortal:
    type: process
    command: [sleep, "1000"]
    restart: { policy: on-failure, backoff: 100ms }
"""


def test_services_are_adopted_and_lose_no_line(harness, eventually):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    before, daemon = harness.status(), harness.daemon_pid
    began = time.monotonic()
    victim = harness.keeper_pid
    a_command = time.monotonic() - began

    os.kill(victim, signal.SIGKILL)

    began = time.monotonic()
    eventually(lambda: harness.keeper_pid not in (victim, None))
    assert time.monotonic() - began - a_command < 1, "a keeper has started and adopted, beside the command that asks"
    written = len(harness.lines("talker", "--stream", "out"))
    eventually(lambda: len(harness.lines("talker", "--stream", "out")) > written + 50)
    after = harness.status()
    assert harness.daemon_pid == daemon
    assert after["talker"]["pid"] == before["talker"]["pid"]
    assert after["mortal"]["pid"] == before["mortal"]["pid"]
    numbers = [int(line) for line in harness.lines("talker", "--stream", "out")]
    assert numbers == list(range(len(numbers)))
    errors = [int(line.removeprefix("err ")) for line in harness.lines("talker", "--stream", "err")]
    assert errors == list(range(len(errors)))


def test_a_service_is_stopped_by_the_next_keeper(harness, eventually):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    victim = harness.keeper_pid
    os.kill(victim, signal.SIGKILL)

    harness.ok("stop")

    assert not harness.strays()


def test_a_service_that_ends_in_the_gap_is_restarted_once(harness, eventually):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    daemon, old = harness.daemon_pid, harness.service("mortal")
    keeper = harness.keeper_pid
    os.kill(daemon, signal.SIGSTOP)  # so that no new keeper comes before the service has ended
    os.kill(keeper, signal.SIGKILL)
    os.kill(old["pid"], signal.SIGKILL)
    eventually(lambda: not os.path.exists(f"/proc/{old['pid']}/exe"))
    os.kill(daemon, signal.SIGCONT)

    eventually(lambda: harness.service("mortal")["run"] != old["run"] and harness.service("mortal")["state"] == "running")

    new = harness.service("mortal")
    assert new["restarts"] == 1
    assert [pid for pid, command in harness.processes().items() if command == "sleep 1000"] == [new["pid"]]
    exits = [event["exit"] for event in harness.events("mortal") if event["kind"] == "exited"]
    assert len(exits) == 1
    assert exits[0]["code"] != 0, "what is not known is not a success"


def test_both_killed_at_once_lose_nothing(harness, eventually):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    before, daemon, keeper = harness.status(), harness.daemon_pid, harness.keeper_pid

    os.kill(daemon, signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)

    after = harness.status()
    assert {name: s["pid"] for name, s in after.items()} == {name: s["pid"] for name, s in before.items()}
    written = len(harness.lines("talker", "--stream", "out"))
    eventually(lambda: len(harness.lines("talker", "--stream", "out")) > written + 50)
    numbers = [int(line) for line in harness.lines("talker", "--stream", "out")]
    assert numbers == list(range(len(numbers)))
