"""kill -9 of an idle daemon: its keeper, which nobody will ever ask for, ends itself."""

from __future__ import annotations

import os
import signal


def test_the_keeper_ends_by_itself_and_what_has_ended_is_still_known(harness, eventually):
    harness.env["HARNESS_KEEPER_IDLE_SECONDS"] = "1"
    harness.write('version: "1.0"\nname: idle\nservices:\n  once: {type: process, command: [sh, -c, "exit 3"], restart: "no"}\n')
    harness.run("up", "-d")
    harness.reaches("once", "failed", within=30)
    daemon, keeper = harness.daemon_pid, harness.keeper_pid

    os.kill(daemon, signal.SIGKILL)

    eventually(lambda: keeper not in harness.processes(), within=30, what="the keeper ends")
    assert harness.service("once")["exit"]["code"] == 3
    assert harness.keeper_pid != keeper
