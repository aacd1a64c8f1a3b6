"""Row 25: TERM to the daemon during a start of 200 services: it ends within 2 s, and what runs goes on running."""

from __future__ import annotations

import os
import signal

COUNT = 200


def test_it_ends_soon_and_services_run_on(harness, eventually):
    service = '  s{0}:\n    type: process\n    command: [sh, -c, "echo s{0} >>started; exec sleep 1000"]\n'
    harness.write('version: "1.0"\nname: many\nservices:\n' + "".join(service.format(number) for number in range(COUNT)))
    log = harness.write("", "started")
    harness.ok("daemon", "start")
    daemon = harness.daemon_pid
    up = harness.start("up", "-d")
    eventually(lambda: len(log.read_text().splitlines()) >= 20, what="a tenth has started")

    os.kill(daemon, signal.SIGTERM)

    eventually(lambda: "harness_core.daemon" not in harness.processes().get(daemon, ""), within=2, what="the daemon ends")
    up.communicate(timeout=60)
    running = [command for command in harness.strays() if command == "sleep 1000"]
    assert len(running) >= 20
    harness.ok("up", "-d", timeout=120)
    started = log.read_text().split()
    assert sorted(started) == sorted({f"s{number}" for number in range(COUNT)}), "each exactly once"
