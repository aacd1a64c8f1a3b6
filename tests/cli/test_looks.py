"""How every view looks, at four widths, in a pipe and in colours: recorded in `looks/`, and looked at by people.

    pytest tests/cli/test_looks.py --rewrite-looks     after a change that is meant; then read the diff
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness_core import plugins
from harness_core.cli.board import Board
from harness_core.cli.commands import daemon_status, events, health, logs, plan, status, validate, why
from harness_core.cli.commands import plugins as plugins_command
from harness_core.cli.fitting import cut, fold
from harness_core.cli.hands import choices
from harness_core.cli.live import Mode, View
from harness_core.cli.output import Output
from harness_core.cli.panel import panel
from harness_core.cli.render_error import error_lines
from harness_core.cli.reporting import report
from harness_core.cli.session import Session
from harness_core.cli.settings import Settings
from harness_core.cli.text import CODES, NAME_CODES, Span, Style, cells, line, plain, visible, width
from harness_core.client import RemoteError
from harness_core.protocol import DaemonStatus, ListEvents, PlanConfig, RunHealthChecks, StatusOfServices, WhyService

WIDTHS = (60, 80, 120, 200)
FOLDER = Path(__file__).parent / "looks"


def load_samples() -> Any:
    """`samples.py` beside this file; tests are no package."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("looks_samples", Path(__file__).with_name("samples.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


S = load_samples()
ANSWERS: Mapping[type, Any] = {
    WhyService: S.WHY, PlanConfig: S.PLAN, RunHealthChecks: S.HEALTH, DaemonStatus: S.DAEMON,
    ListEvents: {"epoch": "e", "seq": 1, "events": S.EVENTS},
}  # fmt: skip


class Paper(io.StringIO):
    """What is written on; looks like a terminal or not."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


class Canned(Session):
    """A session whose daemon has answered already."""

    def __init__(self, output: Output, answers: Mapping[type, Any]) -> None:
        super().__init__(output.settings, output)
        self._answers = answers

    def client(self, *, start: bool = True) -> Any:
        return SimpleNamespace(stream=lambda request: SimpleNamespace(ended=True, result=self.call(request)))

    def call(self, request: Any, *, timeout: float | None = None) -> Any:
        return self._answers[type(request)]

    def project(self) -> str:
        return "shop-1"

    def bundle(self, **_: object) -> dict[str, Any]:
        return {}


class Frozen(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return S.NOW


def run(module: Any, output: Output, answers: Mapping[type, Any] = ANSWERS, **params: Any) -> None:
    """A command as it is, but for the daemon."""
    module.command.callback.__wrapped__(Canned(output, answers), **params)


def show_status(of: Any, **params: Any) -> Callable[[Output], None]:
    return lambda output: run(status, output, {StatusOfServices: of}, services=(), watch=False, **{"detailed": False, **params})


def show_panel(of: Any, view: View, **more: Any) -> Callable[[Output], None]:
    def show(output: Output) -> None:
        board = Board()
        for service in of["services"]:
            board.learn(service, 0.0)
        board.take({"type": "progress", "service": "cache", "detail": "connection refused"}, 1.0)
        output.lines(panel(
            board, view, name=of["name"], now=13.0, moment=S.NOW, columns=output.width - 1, room=12,
            choices=choices(board), **more,
        ))  # fmt: skip

    return show


def show_waiting(output: Output) -> None:
    board = Board()
    for service in S.STATUS["services"]:
        board.learn(service, 0.0)
    board.take({"type": "progress", "service": "cache", "detail": "connection refused"}, 1.0)
    output.lines(board.lines(13.0, room=12))


def show_logs(output: Output) -> None:
    logs._show(Canned(output, {}), iter([S.LOGS]), logs.LogLines(logs.LogStyle(
        prefixed=True, terminal=output.terminal, coloured=output.colours(output.stdout), timestamps=True, width=6,
    )))  # fmt: skip


def show_errors(output: Output) -> None:
    output.error(error_lines(RemoteError(
        "stop.dependents", "api, worker depend on db and still run", hint="stop them too, or use --force", data={},
    )))  # fmt: skip
    output.error(error_lines(RemoteError("config.invalid", "3 problems", hint=None, data={"problems": S.PROBLEMS})))
    output.warn("its plugins are those of /srv/venv, not of /srv/other, which this command is from and `harness plugins` lists")


VIEWS: Mapping[str, Callable[[Output], None]] = {
    "status": show_status(S.STATUS),
    "status-detailed": show_status(S.STATUS, detailed=True),
    "status-nasty": show_status(S.NASTY),
    "status-nothing": show_status(S.status("empty")),
    "up": show_panel(S.STATUS, View()),
    "up-nasty": show_panel(S.NASTY, View(filter="é\x1b")),
    "up-many": show_panel(S.status("many", *S.STATUS["services"], *(S.service(f"web-{n:02}") for n in range(40))), View()),
    "up-which": show_panel(S.STATUS, View(mode=Mode.PICK, verb="restart", typed="", chosen=1)),
    "up-help": show_panel(S.STATUS, View(mode=Mode.HELP)),
    "up-stopping": show_panel(S.STATUS, View(), stopping=True),
    "waiting": show_waiting,
    "logs": show_logs,
    "events": lambda output: run(events, output, services=(), follow=False, limit=200),
    "why": lambda output: run(why, output, service="flaky"),
    "plan": lambda output: run(plan, output, services=(), profiles=()),
    "outcome": lambda output: (report(Canned(output, {}), S.REACHED), report(Canned(output, {}), S.OUTCOME)),
    "health": lambda output: run(health, output, services=()),
    "plugins": lambda output: run(plugins_command, output),
    "daemon-status": lambda output: run(daemon_status, output),
    "problems": lambda output: validate._show(Canned(output, {}), S.PROBLEMS),
    "errors": show_errors,
}  # fmt: skip
AS_THEY_COME = {"logs"}
"""Not folded: a terminal does that so that a line can be copied whole."""


@pytest.fixture(autouse=True)
def _stopped_time(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    for module in (status, daemon_status):
        monkeypatch.setattr(module, "datetime", Frozen)
    monkeypatch.setattr("sys.prefix", S.DAEMON["prefix"])
    monkeypatch.setattr(plugins, "discover", lambda: SimpleNamespace(to_json=lambda: S.PLUGINS))
    yield
    monkeypatch.undo()
    time.tzset()


def look(view: str, *, terminal: bool = True, **environ: str) -> str:
    """What the view writes, stdout and stderr on one paper."""
    paper = Paper(terminal=terminal)
    VIEWS[view](Output(Settings(), stdout=paper, stderr=paper, environ={"TERM": "xterm", **environ}))
    return paper.getvalue()


def all_looks(view: str) -> str:
    """The view at each width, in a pipe, and once with its colours as text."""
    parts = {f"{columns} columns": look(view, COLUMNS=str(columns), NO_COLOR="1") for columns in WIDTHS}
    parts["in a pipe"] = look(view, terminal=False)
    parts["80 columns, in colours"] = look(view, COLUMNS="80")
    readable = {title: "".join(f"{visible(one)}\n" for one in text.split("\n")[:-1]) for title, text in parts.items()}
    return "\n".join(f"== {title} ==\n{text}" for title, text in readable.items())


@pytest.mark.parametrize("view", VIEWS)
def test_it_looks_as_recorded(view, pytestconfig):
    path, now = FOLDER / f"{view}.txt", all_looks(view)
    if pytestconfig.getoption("--rewrite-looks"):
        path.write_text(now)

    assert now == path.read_text(), "if that is meant: pytest tests/cli/test_looks.py --rewrite-looks, and read the diff"


def test_what_is_recorded_is_still_a_view():
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(VIEWS)


@pytest.mark.parametrize("view", sorted(VIEWS.keys() - AS_THEY_COME))
@pytest.mark.parametrize("columns", [30, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(view, columns):
    for text in look(view, COLUMNS=str(columns), NO_COLOR="1").splitlines():
        assert cells(text) <= columns, text


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_that_a_service_says_reaches_the_terminal_as_a_command(view):
    coloured = look(view, COLUMNS="80")

    ours = {"0", *CODES.values(), *NAME_CODES}
    assert set(re.findall(r"\x1b\[([\d;]*)m", coloured)) <= ours
    assert not re.search(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]", coloured)
    assert not re.search(r"\x1b(?!\[[\d;]*m)", coloured)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}])
def test_who_wants_no_colours_gets_none(view, environ):
    assert "\x1b" not in look(view, **environ)


@pytest.mark.parametrize("view", sorted(VIEWS.keys() - {"status-nothing", "problems"}))
def test_colours_can_be_forced_into_a_pipe_and_change_nothing_else(view):
    forced = look(view, terminal=False, FORCE_COLOR="1")

    assert "\x1b" in forced
    if view not in AS_THEY_COME:
        assert re.sub(r"\x1b\[[\d;]*m", "", forced) == look(view, terminal=False)


@pytest.mark.parametrize("view", ["status", "status-nasty", "up", "up-nasty", "health", "plugins"])
@pytest.mark.parametrize("columns", WIDTHS)
def test_columns_of_tables_begin_at_one_place_whatever_stands_in_them(view, columns):
    lines = [one for one in look(view, COLUMNS=str(columns), NO_COLOR="1").splitlines() if "running" in one and " · " not in one]
    places = {cells(one[: one.index("running")]) for one in lines if re.search(r"\S {2,}.*running|  running", one)}

    assert len(places) <= 1, lines


def test_no_colour_is_unreadable_on_a_light_or_a_dark_background():
    """None of black, white, bright black, bright green, bright yellow, bright cyan, bright white."""
    unreadable = {"30", "37", "90", "92", "93", "96", "97"}

    assert not unreadable & {*CODES.values(), *NAME_CODES}


@pytest.mark.parametrize("text", ["", "abc", "é", "e\u0301", "漢字", "🚀", "a\u200bb", "ﬁ", "가"])
def test_columns_are_counted_as_terminals_do(text):
    from rich.cells import cell_len

    assert cells(text) == cell_len(text)


@pytest.mark.parametrize("columns", range(1, 40))
def test_folding_loses_nothing_and_fits(columns):
    text = line("12:00:00  ", Span("数据库", Style.STRONG), "  failed: exit 1, and 🚀", Span(" twice ", Style.BAD), "x" * 30)

    pieces = fold(text, columns)

    assert all(width(piece) <= max(columns, 2) for piece in pieces)
    assert "".join(map(plain, pieces)).replace(" ", "") == plain(text).replace(" ", "")


def test_folded_text_goes_on_below_where_it_began():
    event = fold(line("12:00:00  api  one two three four five"), 30)
    hint = fold(line("  hint: do this or that"), 16)

    assert [plain(piece) for piece in event] == ["12:00:00  api  one two three", "               four five"]
    assert [plain(piece) for piece in hint] == ["  hint: do this", "    or that"]


@pytest.mark.parametrize("limit", range(0, 20))
@pytest.mark.parametrize("middle", [False, True])
def test_what_is_cut_fits_and_says_so(limit, middle):
    short = cut(line(Span("数据库-データベース-1", Style.GOOD)), limit, middle=middle)

    assert width(short) <= limit
    assert "…" in plain(short) or limit == 0
