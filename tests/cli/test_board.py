"""What a waiting person is shown."""

from __future__ import annotations

from typing import Any

from harness_core.cli.board import Board
from harness_core.cli.text import plain


def event(service: str | None, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "event", "event": {"service": service, "kind": kind, **fields}}


def state(service: str, new: str, reason: str = "") -> dict[str, Any]:
    return event(service, "state", old="?", new=new, reason=reason)


def board(*items: tuple[float, dict[str, Any]], names: list[str] | None = None) -> Board:
    made = Board(names)
    for now, item in items:
        made.take(item, now)
    return made


def test_a_beat_names_what_is_awaited_since_when_and_what_the_last_probe_said():
    seen = board(
        (0.0, state("db", "starting")),
        (1.0, state("db", "running")),
        (1.0, event("db", "health", old="none", new="starting", detail="")),
        (6.0, event("db", "health", old="starting", new="starting", detail="connection refused")),
    )

    assert seen.rows["db"].beat(13.0) == "db: waiting for healthy, 12s, last probe: connection refused"


def test_a_beat_of_a_waiting_service_gives_its_reason():
    seen = board((0.0, state("api", "waiting", "waiting for db to be healthy (starting)")))

    assert seen.rows["api"].beat(3.0) == "api: waiting for db to be healthy (starting), 3.0s"


def test_stopping_counts_down_to_the_kill():
    seen = board(
        (0.0, event("db", "stop-requested", by="ann", signal="TERM", grace=10.0)),
        (0.0, state("db", "stopping")),
    )

    assert seen.rows["db"].beat(3.0) == "db: stopping, KILL in 7s"
    assert seen.rows["db"].beat(30.0) == "db: stopping, KILL in 0s"


def test_a_stop_that_was_asked_for_is_no_failure_and_a_crash_is():
    exit = {"code": 1, "signal": None, "reason": None}
    asked = [
        (0.0, state("a", "running")),
        (1.0, event("a", "exited", exit=exit, intended=True)),
        (1.0, state("a", "stopped")),
    ]
    crashed = [
        (0.0, state("b", "running")),
        (1.0, event("b", "exited", exit=exit, intended=False)),
        (1.0, state("b", "stopped")),
    ]
    done = [
        (0.0, event("c", "exited", exit={**exit, "code": 0}, intended=False)),
        (0.0, state("c", "completed")),
    ]

    seen = board(*asked, *crashed, *done, (2.0, state("d", "blocked", "b failed")))

    assert {name: row.failed for name, row in seen.rows.items()} == {"a": False, "b": True, "c": False, "d": True}
    assert not any(row.live for row in seen.rows.values())


def test_back_off_counts_as_alive():
    assert board((0.0, state("a", "backoff"))).rows["a"].live


def test_a_new_run_forgets_how_the_last_one_ended():
    seen = board(
        (0.0, event("a", "exited", exit={"code": 1}, intended=False)), (0.0, state("a", "backoff")), (1.0, state("a", "starting"))
    )

    assert seen.rows["a"].exit is None


def test_a_reset_replaces_what_was_known():
    services = [{"name": "a", "state": "running", "health": "healthy", "exit": None, "reason": None, "wanted": True}]

    seen = board((0.0, state("a", "starting")), (5.0, {"type": "reset", "epoch": "e", "seq": 3, "services": services}))

    assert (seen.rows["a"].state, seen.rows["a"].health, seen.rows["a"].since) == ("running", "healthy", 5.0)


def test_services_of_others_are_left_out():
    seen = board((0.0, state("a", "running")), (0.0, state("b", "running")), names=["a"])

    assert list(seen.rows) == ["a"]


def test_the_lines_hold_the_longest_waits_and_the_counts_in_the_room_there_is():
    seen = board(*((float(i), state(f"s{i}", "waiting", "waiting for db")) for i in range(20)), (0.0, state("db", "running")))

    lines = [plain(one) for one in seen.lines(100.0, room=6)]

    assert len(lines) == 6
    assert "s0: waiting for db" in lines[0]
    assert lines[-2] == "  … and 16 more"
    assert lines[-1] == "20 waiting · 1 running"


def test_progress_of_a_long_step_is_shown():
    seen = board((0.0, state("db", "starting")), (1.0, {"type": "progress", "service": "db", "detail": "pulling 3/7"}))

    assert seen.rows["db"].beat(4.0) == "db: starting, 4.0s, pulling 3/7"
