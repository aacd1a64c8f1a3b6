"""Nothing is waited for in silence."""

from __future__ import annotations

from typing import Any

from harness_core.cli.board import Board
from harness_core.cli.text import plain

CONFIG = """\
version: "1.0"
name: waits
services:
  slow:
    type: process
    command: [sleep, "1000"]
    health_check: { command: [sh, -c, "sleep 2; test -e ready"], interval: 200ms, timeout: 20s, start_period: 60s }
"""


def event(kind: str, service: str | None, **fields: Any) -> dict[str, Any]:
    return {"type": "event", "event": {"kind": kind, "service": service, "project": "waits-1", **fields}}


def test_who_joins_a_start_that_is_under_way_is_told_what_is_awaited(harness):
    harness.write(CONFIG)
    harness.ok("up", "--no-wait")
    terminal = harness.terminal("start", "slow")

    terminal.expect(r"slow: waiting for healthy, \d")

    terminal.press("\x03")
    assert terminal.wait() == 130


def test_health_checks_that_take_their_time_are_named(harness):
    harness.write(CONFIG)
    harness.ok("up", "--no-wait")
    terminal = harness.terminal("health", "slow")

    terminal.expect(r"waiting for the health checks of slow, \d")

    assert terminal.wait() == 1
    assert "slow" in terminal.plain.splitlines()[-1]


def test_a_request_that_waits_for_its_turn_says_for_whom():
    board = Board()
    board.take(event("progress", None, detail="start asked by ann waits: apply asked by bob is in progress"), 0.0)

    assert "apply asked by bob" in plain(board.lines(5.0, room=5)[0])


def test_once_something_moves_that_is_told_instead():
    board = Board()
    board.take(event("progress", None, detail="start asked by ann waits: apply asked by bob is in progress"), 0.0)
    board.take(event("state", "db", old="stopped", new="starting", reason=""), 1.0)

    assert [plain(one)[2:] for one in board.lines(5.0, room=5)] == ["db: starting, 4.0s", "starting"]
    assert board.queued == ""
