"""A service with limits: what happens when it takes more, and how one learns of it."""

from __future__ import annotations

import pytest

CONFIG = """\
name: bounded
services:
  hog:
    type: process
    command: [python3, -c, "print('begins', flush=True); pieces = [bytearray(b'x' * 1048576) for _ in range(300)]"]
    restart: no
    limits: { memory: 64MiB }
  forks:
    type: process
    shell: true
    command: "for n in 1 2 3 4 5 6; do sleep 1000 & done; echo all; wait"
    restart: no
    limits: { pids: 4, nofile: 123 }
  modest:
    type: process
    command: [sh, -c, "ulimit -n; sleep 1000"]
    limits: { memory: 256MiB, pids: 20, cpu: 0.5, nofile: 321 }
"""


def test_what_takes_more_than_it_may_is_ended_and_explained(harness):
    harness.write(CONFIG)
    harness.run("up", "-d")
    notes = harness.ok("status", "--detailed", "--json", "modest").json["services"][0]["notes"]
    if any("was not applied" in note for note in notes):
        pytest.skip(f"limits can't be held on this machine: {notes[0]}")

    hog = harness.reaches("hog", "failed")
    forks = harness.reaches("forks", "failed")

    assert (hog["exit"]["signal"], hog["exit"]["reason"]) == ("KILL", "oom")
    assert "was ended by signal KILL (out of memory)" in harness.ok("why", "hog").out
    assert harness.lines("hog") == ["begins"]
    assert forks["exit"]["reason"] != "oom"
    assert "all" not in harness.lines("forks"), "a shell that can't fork gives up"
    assert harness.lines("modest") == ["321"]
    assert harness.service("modest")["state"] == "running"
