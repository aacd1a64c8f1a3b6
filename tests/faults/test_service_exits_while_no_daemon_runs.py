"""Row 4: a service ends while the daemon is dead: its true exit code and time are known afterwards."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

CONFIG = """\
version: "1.0"
name: absent
services:
  ends:
    type: process
    command: [sh, -c, "trap 'exit 9' USR1; while :; do sleep 0.05; done"]
    restart: "no"
  returns:
    type: process
    command: [sh, -c, "trap 'exit 9' USR1; while :; do sleep 0.05; done"]
    restart: { policy: always, backoff: 100ms }
"""


@pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGUSR1, {"code": 9, "signal": None}), (signal.SIGKILL, {"code": None, "signal": "KILL"})],
    ids=["by-itself", "by-signal"],
)
def test_its_exit_is_true(harness, eventually, number, expected):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    pid = harness.service("ends")["pid"]
    os.kill(harness.daemon_pid, signal.SIGKILL)

    before = datetime.now(UTC)
    os.kill(pid, number)
    eventually(lambda: not os.path.exists(f"/proc/{pid}/exe"))
    after = datetime.now(UTC)

    ends = harness.service("ends")
    assert ends["state"] == "failed", "the first answer already tells it"
    exit = ends["exit"]
    assert {"code": exit["code"], "signal": exit["signal"]} == expected
    # Its time is when the keeper reaped it, a moment after it became a zombie.
    assert before <= datetime.fromisoformat(exit["at"]) <= after + timedelta(seconds=1)


def test_its_policy_applies_once_a_daemon_is_back(harness, eventually):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    old = harness.service("returns")
    os.kill(harness.daemon_pid, signal.SIGKILL)
    os.kill(old["pid"], signal.SIGUSR1)

    eventually(lambda: harness.service("returns")["run"] != old["run"] and harness.service("returns")["state"] == "running")

    assert harness.service("returns")["restarts"] == 1
