"""What people see, at 60, 80 and 200 columns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from harness_core.cli.fitting import fold
from harness_core.cli.render_error import error_lines, problem_lines, problem_record
from harness_core.cli.render_events import event_line
from harness_core.cli.render_outcome import outcome_lines, verdict
from harness_core.cli.render_plan import plan_lines
from harness_core.cli.render_status import status_lines, status_screen, status_sheet, summary
from harness_core.cli.render_why import why_lines
from harness_core.cli.text import Line, plain
from harness_core.cli.words import clock
from harness_core.client import RemoteError

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
WIDTHS = (60, 80, 200)


def service(name: str, **fields: Any) -> dict[str, Any]:
    body = {
        "name": name,
        "type": "process",
        "state": "running",
        "health": "none",
        "pid": 17,
        "run": "r1",
        "ref": "pid 17",
        "started_at": "2030-01-01T11:56:48+00:00",
        "restarts": 0,
        "exit": None,
        "reason": "",
        "endpoints": {},
        "containment": "cgroup",
        "oneshot": False,
        "wanted": True,
        "waiting_for": None,
        "description": "",
    }
    return {**body, **fields}


STATUS = {
    "project": "shop-12345678",
    "name": "shop",
    "path": "/srv/shop/services.yaml",
    "degraded": None,
    "services": [
        service(
            "api-with-a-long-name",
            health="healthy",
            restarts=2,
            endpoints={"http": "http://127.0.0.1:54321"},
            memory=50_000_000,
            cpu_seconds=12.3,
        ),
        service(
            "migrate",
            state="completed",
            exit={"code": 0, "signal": None, "reason": None, "at": None},
            started_at=None,
            oneshot=True,
        ),
        service("late", state="waiting", reason="waiting for db to be healthy (starting)", started_at=None),
        service(
            "flaky",
            state="failed",
            exit={"code": 1, "signal": None, "reason": None, "at": None},
            restarts=5,
            reason="5 restarts in 60s: exit 1",
        ),
    ],
}


def drawn(lines: Iterable[Line], width: int) -> str:
    return "\n".join(plain(piece) for one in lines for piece in fold(one, width))


def table(width: int, *, figures: bool = False) -> str:
    return drawn(status_lines(STATUS, now=NOW, columns=width, figures=figures, detailed=False), width)


@pytest.mark.parametrize("width", WIDTHS)
def test_each_service_is_one_row_at_every_width(width):
    rows = table(width).split("\n")[: 1 + len(STATUS["services"])]

    assert all(len(row) <= width for row in rows)
    for row, of in zip(rows[1:], STATUS["services"], strict=True):
        assert row.startswith(of["name"])
        assert of["state"] in row


def test_columns_are_dropped_by_priority():
    titles = {w: table(w, figures=w >= 100).split("\n")[0].split() for w in WIDTHS}

    assert titles[60] == ["service", "state", "endpoint"]
    assert titles[80] == ["service", "state", "health", "uptime", "endpoint"]
    assert titles[200] == [
        "service",
        "type",
        "state",
        "health",
        "uptime",
        "restarts",
        "endpoint",
        "reason",
        "cpu",
        "memory",
    ]


def test_the_status_is_in_words():
    text = table(200, figures=True)

    assert "3m12s" in text
    assert "completed\n" in text
    assert "failed (exit 1)" in text
    assert "47.7 MiB" in text
    assert "http://127.0.0.1:54321" in text


def test_where_reasons_have_no_room_in_the_table_those_of_what_is_in_trouble_stand_below():
    lines = table(60).split("\n")

    assert lines[5:] == ["  late   waiting for db to be healthy (starting)", "  flaky  5 restarts in 60s: exit 1"]
    assert len(table(200).split("\n")) == 5


def test_details_that_are_too_wide_for_a_table_are_told_service_by_service():
    lines = [plain(one) for one in status_lines(STATUS, now=NOW, columns=60, figures=True, detailed=True)]

    assert lines[0] == "api-with-a-long-name"
    assert "  endpoint     http://127.0.0.1:54321" in lines
    assert max(map(len, lines)) <= 60


def test_details_are_there_when_asked_for():
    sheet = status_sheet(
        {**STATUS, "services": [service("db", notes=["no swap limit"], crash_safe=False)]}, now=NOW, detailed=True
    )

    row = plain(sheet.lines()[1])

    assert "17" in row
    assert "cgroup" in row
    assert "not crash-safe; no swap limit" in row


def test_a_pipe_gets_every_column_uncut():
    lines = [plain(one) for one in status_sheet(STATUS, now=NOW).lines()]

    assert "waiting for db to be healthy (starting)" in lines[3]
    assert "\x1b" not in "".join(lines)


def test_the_summary_counts():
    assert plain(summary(STATUS)) == "shop: 1 running, 1 completed, 1 waiting, 1 failed"
    assert plain(summary({**STATUS, "services": []})) == "shop: no services"


OUTCOME = {
    "reached": False,
    "timed_out": False,
    "services": [
        {
            "name": "db",
            "reached": True,
            "already": True,
            "state": "running",
            "reason": "",
            "exit": None,
            "last_lines": [],
            "endpoints": {"main": "tcp://127.0.0.1:5432"},
        },
        {
            "name": "api",
            "reached": False,
            "already": False,
            "state": "failed",
            "reason": "exit 2",
            "exit": None,
            "endpoints": {},
            "last_lines": ["loading", "no module \x1b[31mflask"],
        },
    ],
}


@pytest.mark.parametrize("width", WIDTHS)
def test_an_outcome_says_which_why_and_the_last_lines(width):
    text = drawn(outcome_lines(OUTCOME), width)

    assert "✓ db   running already  tcp://127.0.0.1:5432" in text
    assert "✗ api  failed: exit 2" in text
    assert "│ no module \\x1b[31mflask" in text


def test_quiet_outcomes_name_only_failures():
    assert next(plain(one) for one in outcome_lines(OUTCOME, only_failures=True)).startswith("✗ api")


def test_the_verdict_names_what_was_missed():
    assert plain(verdict(OUTCOME)) == "not reached by 1 of 2 services: api"
    assert "in time" in plain(verdict({**OUTCOME, "timed_out": True}))
    on_the_way = {**OUTCOME["services"][1], "pending": True, "last_lines": []}
    mixed = {**OUTCOME, "services": [OUTCOME["services"][0], on_the_way]}
    assert plain(verdict(mixed)) == "1 of 2 services as wished; still on their way: api"
    assert plain(verdict({**OUTCOME, "services": OUTCOME["services"][:1]})) == "1 service as wished"


EVENT = {"project": "shop", "service": "api", "run": "r1", "seq": 5, "at": "2030-01-01T12:00:00+00:00"}


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ({"kind": "state", "old": "starting", "new": "running", "reason": ""}, "running"),
        ({"kind": "state", "old": "starting", "new": "failed", "reason": "exit 1"}, "failed: exit 1"),
        ({"kind": "state", "old": "stopped", "new": "waiting", "reason": "waiting for db"}, "waiting for db"),
        ({"kind": "state", "old": "running", "new": "completed", "reason": "completed"}, "completed"),
        ({"kind": "started", "ref": "pid 17", "recovered": False}, "started as pid 17"),
        ({"kind": "started", "ref": "pid 17", "recovered": True}, "found running again as pid 17"),
        ({"kind": "exited", "exit": {"code": 1, "signal": None, "reason": None}, "intended": False}, "ended: exit 1"),
        (
            {"kind": "exited", "exit": {"code": None, "signal": "TERM", "reason": None}, "intended": True},
            "ended: signal TERM, as asked",
        ),
        ({"kind": "health", "old": "starting", "new": "healthy", "detail": "200 OK"}, "healthy: 200 OK"),
        ({"kind": "health", "old": "none", "new": "starting", "detail": ""}, "health checks begin"),
        ({"kind": "stop-requested", "by": "ann", "signal": "TERM", "grace": 10.0}, "stop asked by ann with TERM, KILL after 10s"),
        ({"kind": "killed", "reason": "too slow", "survivors": ["pid 9"]}, "KILL: too slow; still alive: pid 9"),
        ({"kind": "restart-scheduled", "delay": 0.5, "attempt": 2, "reason": "exit 1"}, "restart 2 in 0.5s: exit 1"),
        ({"kind": "endpoints", "endpoints": {"http": "http://127.0.0.1:80"}}, "reached at http://127.0.0.1:80"),
        (
            {"kind": "applied", "by": "ann", "added": ["db"], "changed": [], "removed": []},
            "configuration applied by ann: added db",
        ),
        ({"kind": "progress", "detail": "pulling 3/7"}, "pulling 3/7"),
        ({"kind": "note", "detail": "no cgroup"}, "no cgroup"),
        ({"kind": "of-a-newer-daemon", "detail": "something"}, "something"),
    ],
)
def test_every_kind_of_event_is_a_sentence(event, sentence):
    text = plain(event_line({**EVENT, **event}, width=6))

    assert text.endswith(f"api     {sentence}")


def test_all_kinds_of_the_contract_have_been_seen_here():
    from harness_core.contracts.events import EVENT_KINDS

    seen = test_every_kind_of_event_is_a_sentence.pytestmark[0].args[1]
    assert {kind.kind for kind in EVENT_KINDS} <= {event["kind"] for event, _ in seen}


@pytest.mark.parametrize("width", WIDTHS)
def test_why_gives_sentence_causes_probes_events_and_last_lines(width):
    why = {
        "service": "api",
        "state": "backoff",
        "summary": "restarts in 2 s",
        "causes": [
            {"at": "2030-01-01T11:00:00+00:00", "text": "exited with code 1"},
            {"at": EVENT["at"], "text": "noted, as the event below says"},
            {"at": None, "text": "last asked by ann"},
        ],
        "probes": [{"at": EVENT["at"], "healthy": False, "detail": "connection refused"}],
        "events": [{**EVENT, "kind": "note", "detail": "noted"}, {**EVENT, "kind": "health", "new": "none", "detail": ""}],
        "exit": None,
        "last_lines": ["boom"],
    }

    text = drawn(why_lines(why), width)

    assert "backoff  restarts in 2 s" in text
    assert f"  {clock('2030-01-01T11:00:00+00:00')}  exited with code 1" in text
    assert "  last asked by ann" in text
    assert "as the event below says" not in text
    assert "not checked" not in text
    assert "✗ connection refused" in text
    assert "noted" in text
    assert "│ boom" in text


PLAN = {
    "project": "shop-1",
    "name": "shop",
    "changes": True,
    "problems": [],
    "steps": [
        {"service": "api", "action": "restart", "reason": "env changed"},
        {"service": "db", "action": "keep", "reason": ""},
        {"service": "old", "action": "remove", "reason": "not in the file any more"},
    ],
}


def test_a_plan_shows_what_changes_and_counts():
    lines = [plain(one) for one in plan_lines(PLAN)]

    assert lines == [
        "~ restart api  env changed",
        "- remove  old  not in the file any more",
        "shop: 1 to restart, 1 to remove, 1 to keep",
    ]
    assert any("keep    db" in plain(one) for one in plan_lines(PLAN, with_kept=True))


def test_a_plan_without_changes_says_so():
    assert plain(plan_lines({**PLAN, "steps": [PLAN["steps"][1]], "changes": False})[0]) == "shop: nothing would change"


PROBLEM = {
    "kind": "config.unknown-key",
    "message": "unknown key 'comand'",
    "path": "services.db.comand",
    "hint": "did you mean 'command'?",
    "position": {"file": "/srv/services.yaml", "line": 9, "column": 5},
    "source": "\t   comand: [./db]",
    "severity": "error",
}


def test_a_problem_points_at_the_offending_word():
    lines = [plain(one) for one in problem_lines(PROBLEM)]

    assert lines[0] == "/srv/services.yaml:9:5: error: unknown key 'comand'"
    assert lines[1] == "  9 | \t   comand: [./db]"
    assert lines[2] == "    | \t   ^"
    assert lines[3].strip() == "hint: did you mean 'command'?"


def test_a_problem_without_a_place_still_has_its_sentence():
    assert [plain(one) for one in problem_lines({**PROBLEM, "position": None, "hint": None})] == ["error: unknown key 'comand'"]


def test_a_problem_is_one_record_for_programs():
    assert problem_record(PROBLEM) == "/srv/services.yaml:9:5: error: unknown key 'comand' (did you mean 'command'?)"


def test_an_error_shows_kind_sentence_problems_and_hint():
    error = RemoteError("config.invalid", "1 problem", hint="look\nhere", data={"problems": [PROBLEM]})

    lines = [plain(one) for one in error_lines(error)]

    assert lines[0] == "error[config.invalid]: 1 problem"
    assert lines[1].startswith("/srv/services.yaml:9:5:")
    assert lines[-2:] == ["  hint: look", "  hint: here"]


def test_what_is_still_on_its_way_is_not_drawn_as_a_failure():
    failed = {"name": "bad", "reached": False, "pending": False, "state": "failed", "reason": "exited with code 3", "exit": None}
    pending = {"name": "web", "reached": False, "pending": True, "state": "waiting", "reason": "waiting for db", "exit": None}
    outcome = {"reached": False, "timed_out": False, "services": [failed, pending]}

    texts = [plain(one) for one in [*outcome_lines(outcome), verdict(outcome)]]

    assert texts[0].startswith("✗ bad")
    assert texts[1].startswith("… web")
    assert texts[2] == "not reached by 1 of 2 services: bad; still on their way: web"


def test_a_status_that_is_higher_than_the_terminal_shows_trouble_first_and_counts_the_rest():
    services = [*(service(f"ok-{n}") for n in range(30)), *STATUS["services"][2:]]
    lines = status_screen({**STATUS, "services": services}, now=NOW, columns=80, rows=7, figures=False, detailed=False)

    texts = [plain(one) for one in lines]
    assert [text.split()[0] for text in texts[:5]] == ["service", "flaky", "late", "ok-0", "ok-1"]
    assert texts[5:] == ["… 28 more: 28 running", "shop: 30 running, 1 waiting, 1 failed"]


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 9])
def test_it_is_never_higher_than_that(rows):
    many = {**STATUS, "services": [service(f"s{n}") for n in range(9)]}

    for detailed in (False, True):
        lines = status_screen(many, now=NOW, columns=70, rows=rows, figures=False, detailed=detailed)
        assert len(lines) <= rows
        assert plain(lines[-1]) == "shop: 9 running"
