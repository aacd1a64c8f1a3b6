"""What stands below the logs of `harness up`: the services, as many as there is room for, and what the keys do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import product

from harness_core.cli.board import Board, Row, counts, spinner
from harness_core.cli.fitting import cut
from harness_core.cli.live import Mode, View
from harness_core.cli.render_status import STATE_STYLES, urgency
from harness_core.cli.sheet import Column, Sheet
from harness_core.cli.text import Line, Span, Style, line, visible, width
from harness_core.cli.words import ending, round_duration, since

KEYS = (
    ("q", "detach: services go on, this ends"),
    ("s", "stop a service, or all"),
    ("r", "restart a service, or all"),
    ("/", "show only the logs of a service, or those with a text; Esc shows all again"),
    ("Ctrl-C", "stop what this up started; twice: kill it"),
    ("Ctrl-Z", "suspend this command; services go on"),
)
_SHORT = (("q", "detach"), ("s", "stop"), ("r", "restart"), ("/", "filter"), ("?", "keys"), ("Ctrl-C", "stop"))
_COLUMNS = (
    Column("", shrinks=True, narrowest=16, middle=True),
    Column("", shrinks=True, narrowest=9),
    Column("", keep=3),
    Column("", keep=2, right=True),
    Column("", keep=1, shrinks=True, narrowest=24),
)
_UP = frozenset({"running", "unhealthy", "stopping", "unreachable", "stop-stuck"})
_MARKS = {Style.GOOD: "●", Style.BAD: "✗", Style.CARE: "◐", Style.FAINT: "○", Style.PLAIN: "·"}


def panel(
    board: Board,
    view: View,
    *,
    name: str,
    now: float,
    moment: datetime,
    columns: int,
    room: int,
    choices: Mapping[str, Sequence[str]],
    keys: bool = True,
    stopping: bool = False,
) -> list[Line]:
    """The lines, at most `room` of them, none wider than `columns`; `keys`: whether somebody could press one."""
    foot = _foot(board, view, name=name, columns=columns, choices=choices, keys=keys, stopping=stopping)[-room:]
    above = room - len(foot)
    rule = line(Span("─" * columns, Style.FAINT))
    services = [rule, *_services(board, now, moment, columns=columns, room=above - 1)] if above > 1 else []
    return [cut(one, columns) for one in (*services, *foot)]


def _services(board: Board, now: float, moment: datetime, *, columns: int, room: int) -> list[Line]:
    rows = sorted(board.rows.values(), key=lambda row: row.name)
    hidden: list[Row] = []
    if len(rows) > room:
        rows.sort(key=lambda row: (urgency(row.state, row.health), row.name))
        rows, hidden = rows[: room - 1], rows[room - 1 :]
    sheet = Sheet(_COLUMNS, tuple(_row(row, now, moment) for row in rows))
    lines = sheet.without_empty().fit(columns).drawn()[1:]
    return [*lines, line(Span(f"  … {len(hidden)} more: ", Style.FAINT), *counts(hidden))] if hidden else lines


def _row(row: Row, now: float, moment: datetime) -> tuple[Line, ...]:
    style = Style.BAD if row.health == "unhealthy" else STATE_STYLES.get(row.state, Style.PLAIN)
    mark = Span(f"{spinner(now) if row.moving else '✓' if row.state == 'completed' else _MARKS[style]} ", style)
    ended = row.failed and row.exit is not None
    up = since(row.started_at, moment) if row.state in _UP else None
    health = "" if row.health == "none" else row.health
    return (
        line(mark, row.name),
        line(Span(f"{row.state} ({ending(row.exit)})" if ended else row.state, STATE_STYLES.get(row.state, Style.PLAIN))),
        line(Span(health, STATE_STYLES.get(health, Style.PLAIN))),
        line("" if up is None else round_duration(up)),
        _what(row, now),
    )


def _what(row: Row, now: float) -> Line:
    """What is to be said of it: what it waits for, what is wrong with it, or where it is reached."""
    if row.moving:
        return line(row.awaited(now))
    if row.failed:
        return line(Span(visible("" if row.reason == row.state else row.reason), Style.FAINT))
    return line(Span(row.address if row.live else "", Style.NAME))


def _foot(
    board: Board,
    view: View,
    *,
    name: str,
    columns: int,
    choices: Mapping[str, Sequence[str]],
    keys: bool,
    stopping: bool,
) -> list[Line]:
    """The last lines; the very last is where the cursor stands."""
    match view.mode:
        case Mode.PICK:
            return [_choices(view, choices.get(view.verb, ()), columns), _prompt(f"{view.verb} which? ", view.typed)]
        case Mode.FILTER:
            hint = Span("a service or a text · Enter shows only that · Esc shows all", Style.FAINT)
            return [line("  ", hint), _prompt("filter: ", view.typed)]
        case Mode.CONFIRM:
            return [line(Span(visible(view.question), Style.CARE), Span(" [y/N] ", Style.STRONG))]
        case Mode.HELP:
            told = [line(Span(f"  {key:<8}", Style.STRONG), meaning) for key, meaning in KEYS]
            return [*told, line(Span("any key goes back", Style.FAINT))]
    narrowed = (Span(" · ", Style.FAINT), Span(f"only '{visible(view.filter)}'", Style.CARE)) if view.filter else ()
    rows = list(board.rows.values())
    heads = [line(Span(name, Style.STRONG), "  ", *numbers, *narrowed, " ") for numbers in (counts(rows), _few_counts(rows))]
    # Rather fewer numbers than fewer keys: those are told above, these nowhere else.
    for hints in _hints(view, keys=keys, stopping=stopping):
        for head, keys_told in product(heads, hints):
            if width(head) + width(keys_told) <= columns:
                return [line(*head, *keys_told)]
    return [heads[-1][:-1]]


def _few_counts(rows: Sequence[Row]) -> Line:
    """`5/7 running`, and what is in trouble."""
    running = sum(row.state == "running" for row in rows)
    bad = [row for row in rows if STATE_STYLES.get(row.state) is Style.BAD]
    return line(f"{running}/{len(rows)} running", *((Span(" · ", Style.FAINT), *counts(bad)) if bad else ()))


def _hints(view: View, *, keys: bool, stopping: bool) -> list[list[Line]]:
    """What the keys do, in more and in fewer words."""
    if stopping or not keys:
        return [[line(Span(f"  {'Ctrl-C again kills at once' if stopping else 'Ctrl-C stops'}", Style.FAINT))]]
    first = (("Esc", "show all"),) if view.filter else ()
    all_of_them = [_told((*first, *_SHORT)), _told((*first, *_SHORT[:-1]))]
    return [all_of_them, [_told((*first, *_SHORT[-2:])), _told(_SHORT[-2:-1])]]


def _told(keys: Sequence[tuple[str, str]]) -> Line:
    return line(*(part for key, word in keys for part in ("  ", Span(key, Style.STRONG), Span(f" {word}", Style.FAINT))))


def _choices(view: View, names: Sequence[str], columns: int) -> Line:
    """What can be picked, beginning so far on that the chosen one is seen."""
    matches = view.matches(names)
    if not matches:
        return line(Span("  no service is called so", Style.CARE))
    chosen = view.chosen % len(matches)
    first = 0
    while first < chosen and sum(len(name) + 4 for name in matches[first : chosen + 1]) > columns - 4:
        first += 1
    spans: list[Span] = [Span("…" if first else " ", Style.FAINT)]
    for i, name in enumerate(matches[first:], first):
        spans += [Span(f" [{name}]", Style.STRONG)] if i == chosen else [Span(f"  {name}", Style.FAINT), Span(" ")]
    return tuple(spans)


def _prompt(question: str, typed: str) -> Line:
    return line(Span(question, Style.CARE), visible(typed))
