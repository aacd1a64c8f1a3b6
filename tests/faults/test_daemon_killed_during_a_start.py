"""Rows 2 and 3: kill -9 of the daemon in the middle of a start, at many points: one incarnation of each service, not two."""

from __future__ import annotations

import os
import signal
import time

import pytest

COUNT = 12
SERVICE = """\
  s{0}:
    type: process
    command: [sh, -c, "echo s{0} $$ >>started; exec sleep 100{0:02d}"]
"""


@pytest.mark.parametrize("started", [0, 1, 3, 6, 9, 11])
def test_after_a_new_start_each_service_runs_exactly_once(harness, started):
    harness.write('version: "1.0"\nname: halfway\nservices:\n' + "".join(SERVICE.format(number) for number in range(COUNT)))
    log = harness.write("", "started")
    victim = harness.ok("daemon", "start") and harness.daemon_pid
    up = harness.start("up", "-d")

    # The kill falls between intent and spawn of some services, and between spawn and acknowledge of others.
    deadline = time.monotonic() + 15
    while len(log.read_text().splitlines()) < started:
        assert time.monotonic() < deadline, up.communicate()
    os.kill(victim, signal.SIGKILL)
    up.communicate(timeout=60)

    harness.ok("up", "-d")
    status = harness.status()
    assert {service["state"] for service in status.values()} == {"running"}
    # None was started twice: what the keeper had spawned was adopted, also when nobody had been told of it.
    assert sorted(log.read_text().split()[::2]) == sorted(status)
    for number in range(COUNT):
        live = [pid for pid, command in harness.processes().items() if command == f"sleep 100{number:02d}"]
        assert live == [status[f"s{number}"]["pid"]]
    assert harness.daemon_pid != victim
