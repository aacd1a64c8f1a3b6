"""Row 1: kill -9 of the daemon while nothing happens: services untouched, attached again soon, no event lost."""

from __future__ import annotations

import os
import signal
import time

CONFIG = """\
version: "1.0"
name: rest
services:
  counter:
    type: process
    command: [sh, -c, "i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done"]
  done:
    type: process
    command: [sh, -c, "echo once >>ran"]
    oneshot: true
  checked:
    type: process
    command: [sleep, "1000"]
    health_check: { command: "true", interval: 200ms }
"""


def test_services_run_on_and_are_attached_again(harness):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    before, events, victim = harness.status(), harness.events(), harness.daemon_pid
    os.kill(victim, signal.SIGKILL)

    began = time.monotonic()
    after = harness.status()
    took = time.monotonic() - began

    assert took < 2, "that is a command, the start of a daemon, and the adoption"
    for name in ("counter", "checked"):
        assert after[name]["state"] == "running"
        assert (after[name]["pid"], after[name]["run"]) == (before[name]["pid"], before[name]["run"])
        assert after[name]["restarts"] == 0
    assert after["done"]["state"] == "completed"
    harness.reaches("checked", "running")
    assert (harness.project / "ran").read_text() == "once\n", "a completed oneshot does not run again"
    remembered = [(event["kind"], event["service"], event["run"], event["at"]) for event in harness.events()]
    assert all((event["kind"], event["service"], event["run"], event["at"]) in remembered for event in events)


def test_restarts_stay_counted_and_count_anew_after_an_order(harness, eventually):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    pid = harness.service("counter")["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: (now := harness.service("counter"))["state"] == "running" and now["pid"] != pid)
    assert harness.service("counter")["restarts"] == 1

    os.kill(harness.daemon_pid, signal.SIGKILL)
    assert harness.service("counter")["restarts"] == 1

    harness.ok("restart", "counter")
    os.kill(harness.daemon_pid, signal.SIGKILL)
    assert harness.service("counter")["restarts"] == 0


def test_a_follower_of_logs_sees_every_line_once_over_it(harness):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    path = harness.project / "followed"
    with path.open("wb") as out:
        follower = harness.start("logs", "-f", "counter", stdout=out)
    wait_for_lines(path, 10)

    os.kill(harness.daemon_pid, signal.SIGKILL)

    harness.status()  # somebody looks, so a new daemon starts
    wait_for_lines(path, len(path.read_text().splitlines()) + 20)
    follower.send_signal(signal.SIGINT)
    assert follower.wait(10) == 130
    follower.stderr.close()
    numbers = [int(line) for line in path.read_text().splitlines()]
    assert numbers == list(range(len(numbers)))


def wait_for_lines(path, count: int) -> None:
    deadline = time.monotonic() + 15
    while len(path.read_text().splitlines()) < count:
        assert time.monotonic() < deadline, f"fewer than {count} lines: {path.read_text()!r}"
        time.sleep(0.03)
