from __future__ import annotations

import pytest

from harness_core.cli.fitting import cut
from harness_core.cli.sheet import Column, Sheet
from harness_core.cli.text import Span, Style, line, plain

COLUMNS = (
    Column("name"),
    Column("a", keep=1),
    Column("b", keep=2, right=True),
    Column("long", keep=3, shrinks=True, narrowest=5),
)


def sheet(*rows: tuple[str, str, str, str]) -> Sheet:
    return Sheet(COLUMNS, tuple(tuple(line(cell) for cell in row) for row in rows))


def test_columns_go_by_priority_and_the_first_stays():
    full = sheet(("service", "aaaa", "bbbb", "l" * 30))

    titles = {width: [c.title for c in full.fit(width).columns] for width in (60, 30, 20, 14, 3)}

    assert titles == {
        60: ["name", "a", "b", "long"],
        30: ["name", "a", "b", "long"],
        20: ["name", "a", "b"],
        14: ["name", "a"],
        3: ["name"],
    }


def test_a_column_that_does_not_fit_leaves_its_room_to_the_next():
    columns = (Column("name"), Column("wide", keep=1), Column("thin", keep=2))
    rows = ((line("x"), line("w" * 30), line("t")),)

    assert [c.title for c in Sheet(columns, rows).fit(20).columns] == ["name", "thin"]


def test_a_cell_that_may_shrink_is_cut_before_a_column_is_dropped():
    fitted = sheet(("service", "aaaa", "bbbb", "l" * 30)).fit(30)

    assert plain(fitted.rows[0][3]) == "l" * 8 + "…"


@pytest.mark.parametrize("width", range(13, 60))
def test_what_is_fitted_fits(width):
    lines = sheet(("service", "aaaa", "bbbb", "l" * 30), ("x", "", "1", "")).fit(width).lines()

    assert max(len(plain(one)) for one in lines) <= width


@pytest.mark.parametrize("width", range(12, 30))
def test_where_nothing_can_be_dropped_everything_is_cut_and_no_row_is_folded(width):
    columns = (Column("service", shrinks=True, narrowest=24, middle=True), Column("state", shrinks=True, narrowest=11))
    rows = ((line("a-name-of-more-than-24-letters-1"), line("failed (exit 1)")), (line("b"), line("running")))

    lines = Sheet(columns, rows).fit(width).drawn()

    assert len(lines) == 3
    assert max(len(plain(one)) for one in lines) <= width


def test_empty_columns_are_left_out_unless_they_identify():
    kept = sheet(("x", "", "1", "")).without_empty()

    assert [c.title for c in kept.columns] == ["name", "b"]


def test_lines_are_aligned_nothing_is_cut_and_every_column_is_there():
    lines = [plain(one) for one in sheet(("x", "y", "1", "l" * 300), ("xyz", "", "22", "")).lines()]

    assert lines == ["name  a   b  long", "x     y   1  " + "l" * 300, "xyz   -  22  -"]


def test_cutting_keeps_the_style_of_what_stays():
    text = line(Span("green", Style.GOOD), " and more")

    assert cut(text, 7)[0] == Span("green", Style.GOOD)
    assert plain(cut(text, 7)) == "green …"
    assert cut(text, 14) == text
