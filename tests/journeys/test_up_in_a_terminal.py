"""A person says `harness up` in a terminal, looks, and presses Ctrl-C: once for a graceful stop, twice for an end now."""

from __future__ import annotations

import time

ORDERLY = """\
version: "1.0"
name: orderly
services:
  db:
    type: process
    command: [sh, -c, "trap 'echo db ends; exit 0' TERM; echo db begins; while :; do sleep 0.1; done"]
  api:
    type: process
    command: [sh, -c, "trap 'echo api ends; exit 0' TERM; echo api begins; while :; do sleep 0.1; done"]
    dependencies: [db]
"""

STUBBORN = """\
version: "1.0"
name: stubborn
services:
  deaf:
    type: process
    command: [sh, -c, "trap '' TERM; echo deaf begins; while :; do sleep 0.1; done"]
    stop: { timeout: 60s }
"""

WAITING = """\
version: "1.0"
name: waiting
services:
  slow:
    type: process
    command: [sh, -c, "echo slow begins; while :; do sleep 0.1; done"]
    health_check: { command: "test -e never", interval: 200ms, start_period: 60s }
  late:
    type: process
    command: [sh, -c, "touch late-has-started; sleep 1000"]
    dependencies: { slow: healthy }
"""


def test_ctrl_c_once_stops_gracefully_in_reverse_order(harness):
    harness.write(ORDERLY)
    terminal = harness.terminal("up")
    terminal.expect("api begins")

    terminal.press("\x03")
    code = terminal.wait()

    assert code == 130
    assert not harness.strays()
    assert terminal.is_as_before
    stopped = [e["service"] for e in harness.events() if e["kind"] == "state" and e["new"] == "stopped"]
    assert stopped == ["api", "db"]
    assert harness.lines("db")[-1] == "db ends"


def test_ctrl_c_twice_kills_at_once(harness):
    harness.write(STUBBORN)
    terminal = harness.terminal("up")
    terminal.expect("deaf begins")

    terminal.press("\x03")
    terminal.expect("(?i)again|stopping")
    began = time.monotonic()
    terminal.press("\x03")
    code = terminal.wait()

    assert code == 130
    assert time.monotonic() - began < 10
    assert not harness.strays()
    assert terminal.is_as_before


def test_a_service_not_yet_started_is_never_started_after_ctrl_c(harness):
    harness.write(WAITING)
    terminal = harness.terminal("up")
    terminal.expect("slow begins")

    terminal.press("\x03")

    assert terminal.wait() == 130
    assert not harness.strays()
    assert not (harness.project / "late-has-started").exists()


def test_a_closed_terminal_is_a_stop_too(harness):
    harness.write(ORDERLY)
    terminal = harness.terminal("up")
    terminal.expect("api begins")

    terminal.process.send_signal(1)

    assert terminal.wait() == 129
    assert not harness.strays()
