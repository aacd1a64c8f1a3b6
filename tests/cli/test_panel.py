"""What stands below the logs of `harness up`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from harness_core.cli.board import Board
from harness_core.cli.hands import choices
from harness_core.cli.live import Deed, Mode, View
from harness_core.cli.panel import panel
from harness_core.cli.text import plain, width

MOMENT = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)


def status(name: str, **fields: Any) -> dict[str, Any]:
    body = {"name": name, "state": "running", "health": "none", "reason": "", "exit": None, "endpoints": {}, "wanted": True}
    return {**body, "started_at": "2030-01-01T11:57:00+00:00", **fields}


def board(*services: dict[str, Any]) -> Board:
    made = Board()
    for one in services:
        made.learn(one, 0.0)
    return made


def shown(of: Board, view: View | None = None, *, columns: int = 100, room: int = 12, **more: Any) -> list[str]:
    lines = panel(
        of, view or View(), name="shop", now=12.0, moment=MOMENT, columns=columns, room=room, choices=choices(of), **more
    )
    assert len(lines) <= room
    return [plain(one) for one in lines]


SHOP = board(
    status("api", health="healthy", endpoints={"http": "http://127.0.0.1:54321"}),
    status("db", state="running", health="starting"),
    status("flaky", state="failed", exit={"code": 1, "signal": None, "reason": None}, reason="5 restarts in 60s", wanted=True),
    status("prepare", state="completed", exit={"code": 0, "signal": None, "reason": None}),
)


def test_every_service_has_a_row_and_the_last_line_tells_the_keys():
    lines = shown(SHOP)

    assert set(lines[0]) == {"─"}
    assert lines[1].split() == ["●", "api", "running", "healthy", "3m", "http://127.0.0.1:54321"]
    assert "waiting for healthy, 12s" in lines[2]
    assert lines[3].startswith("✗ flaky")
    assert "failed (exit 1)" in lines[3]
    assert "5 restarts in 60s" in lines[3]
    assert lines[4].split() == ["✓", "prepare", "completed"]
    assert lines[5].startswith("shop  2 running · 1 completed · 1 failed")
    assert "? keys" in lines[5]


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("mode", list(Mode))
def test_nothing_is_wider_than_the_terminal(columns, mode):
    view = View(mode=mode, verb="stop", typed="a" * 70, question="db is needed. " * 9, pending=Deed("stop"), filter="f" * 70)

    lines = panel(SHOP, view, name="shop", now=1.0, moment=MOMENT, columns=columns, room=9, choices=choices(SHOP))

    assert all(width(one) <= columns for one in lines)


def test_with_more_services_than_rows_trouble_comes_first_and_the_rest_is_counted():
    many = board(*(status(f"ok-{n:02}") for n in range(20)), status("z-late", state="waiting"), status("z-bad", state="lost"))

    lines = shown(many, room=6)

    assert [line.split()[1] for line in lines[1:4]] == ["z-bad", "z-late", "ok-00"]
    assert lines[4] == "  … 19 more: 19 running"
    assert lines[5].startswith("shop  20 running")


@pytest.mark.parametrize(("room", "count"), [(1, 1), (2, 1), (3, 3), (4, 4)])
def test_a_low_terminal_keeps_at_least_the_counts(room, count):
    assert len(shown(SHOP, room=room)) == count
    assert shown(SHOP, room=room)[-1].startswith("shop")


def test_the_prompt_stands_last_below_what_can_be_chosen():
    lines = shown(SHOP, View(mode=Mode.PICK, verb="stop", typed="", chosen=1))

    assert lines[-2].split() == ["api", "[db]", "all", "of", "them"]
    assert lines[-1] == "stop which? "


def test_the_chosen_one_of_many_is_always_seen():
    many = board(*(status(f"service-{n:03}") for n in range(100)))

    assert "[service-090]" in shown(many, View(mode=Mode.PICK, verb="restart", chosen=90), columns=60)[-2][:60]


def test_a_name_that_is_none_is_told_while_it_is_typed():
    assert "no service" in shown(SHOP, View(mode=Mode.PICK, verb="stop", typed="xyz"))[-2]


def test_an_active_filter_is_seen():
    assert "only 'api'" in shown(SHOP, View(filter="api"))[-1]
    assert "Esc show all" in shown(SHOP, View(filter="api"))[-1]


def test_without_a_keyboard_no_keys_are_told():
    last = shown(SHOP, keys=False)[-1]

    assert "Ctrl-C stops" in last
    assert "detach" not in last


def test_while_stopping_only_ctrl_c_is_left():
    assert shown(SHOP, stopping=True)[-1].endswith("Ctrl-C again kills at once")


def test_help_explains_every_key_that_is_hinted_at():
    told = "\n".join(shown(SHOP, View(mode=Mode.HELP)))

    for key in ("q ", "s ", "r ", "/ ", "Ctrl-C", "Ctrl-Z"):
        assert f"  {key}" in told
