"""From lines and sheets to rich renderables; the only module that knows rich."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group
from rich.table import Table
from rich.text import Text

from harness_core.cli.sheet import Sheet
from harness_core.cli.text import Line


def text(of: Line) -> Text:
    """One line."""
    return Text.assemble(*((span.text, span.style.value) for span in of))


def lines(of: Iterable[Line]) -> Group:
    """Several lines, which fold at the terminal's edge."""
    return Group(*(text(one) for one in of))


def table(sheet: Sheet, *, width: int) -> Table:
    """A table that fits into `width` columns: what is least important is left out."""
    fitted = sheet.without_empty().fit(width)
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bright_black", show_edge=False)
    for column in fitted.columns:
        drawn.add_column(column.title, justify="right" if column.right else "left", no_wrap=True, overflow="ellipsis")
    for row in fitted.rows:
        drawn.add_row(*(text(cell) for cell in row))
    return drawn
