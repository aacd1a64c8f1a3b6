"""Row 23: two daemons; stale files of a dead one: the second is refused, what is stale is harmless."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

CONFIG = """\
version: "1.0"
name: pair
services:
  one: { type: process, command: [sleep, "1000"] }
"""


def test_a_second_daemon_is_refused_and_names_the_first(harness):
    harness.ok("daemon", "start")
    pid = harness.daemon_pid

    second = subprocess.run(
        # In the foreground: in the background, whoever started it has left before it knows.
        [sys.executable, "-m", "harness_core.daemon", "--foreground"],
        env=harness.env, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert second.returncode == 1
    assert str(pid) in second.stdout + second.stderr
    assert "Traceback" not in second.stderr
    assert harness.daemon_pid == pid


def test_many_commands_at_once_start_one_daemon(harness):
    harness.write(CONFIG)

    commands = [harness.start("daemon", "status", "--json") for _ in range(4)] + [harness.start("up", "-d") for _ in range(2)]
    for command in commands:
        command.communicate(timeout=60)

    daemons = [line for line in harness.processes().values() if "harness_core.daemon" in line]
    assert len(daemons) == 1
    assert len([line for line in harness.strays() if line == "sleep 1000"]) == 1


def test_what_a_dead_daemon_left_blocks_nobody(harness):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    pid = harness.service("one")["pid"]
    daemon, keeper = harness.daemon_pid, harness.keeper_pid
    os.kill(daemon, signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)
    assert (harness.state_dir / "daemon.json").exists()

    assert harness.service("one")["pid"] == pid


def test_a_daemon_file_that_names_a_stranger_hurts_nobody(harness):
    harness.ok("daemon", "start")
    os.kill(harness.daemon_pid, signal.SIGKILL)
    path = harness.state_dir / "daemon.json"
    text = path.read_text()
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        path.write_text(json.dumps({**json.loads(text), "pid": stranger.pid}))

        harness.ok("daemon", "start")
        harness.ok("daemon", "stop")

        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
