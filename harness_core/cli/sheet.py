"""Sheet: a table as a value, which knows what to leave out when the terminal is narrow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness_core.cli.fitting import cut
from harness_core.cli.text import Line, Span, Style, line, plain, width

_GAP = 2
_LEAST = 4
"""Columns that even the last column of a far too narrow terminal keeps."""


@dataclass(frozen=True, slots=True)
class Column:
    """`keep`: 0 is never dropped; the highest goes first. `shrinks`: its cells may be cut, to `narrowest` at least; in the
    `middle` where both ends tell them apart.
    """

    title: str
    keep: int = 0
    right: bool = False
    shrinks: bool = False
    narrowest: int = 12
    middle: bool = False

    @property
    def least(self) -> int:
        """What its cells may be cut to, its title staying whole."""
        return max(self.narrowest, len(self.title))


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns and rows of cells; a cell is a line."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Line, ...], ...]

    def without_empty(self) -> Sheet:
        """The sheet without optional columns in which nothing stands."""
        kept = [i for i, c in enumerate(self.columns) if c.keep == 0 or any(plain(row[i]) for row in self.rows)]
        return self._only(kept)

    def fit(self, columns: int) -> Sheet:
        """The sheet with as few columns dropped, and cells cut, as it takes to stand in so many columns of a terminal."""
        kept: list[int] = []
        # One that does not fit leaves its room to those after it.
        for i in sorted(range(len(self.columns)), key=lambda i: self.columns[i].keep):
            if self.columns[i].keep == 0 or self._only(sorted([*kept, i]))._width(shrunk=True) <= columns:
                kept.append(i)
        return self._only(sorted(kept))._cut(columns)

    def fits(self, columns: int) -> bool:
        """Whether it stands in so many columns with nothing left out."""
        return self._width(shrunk=False) <= columns

    def drawn(self) -> list[Line]:
        """The sheet as aligned lines, the first with the titles of its columns."""
        header = tuple(line(Span(column.title, Style.FAINT)) for column in self.columns)
        widths = self._widths()
        return [self._line(row, widths) for row in (header, *self.rows)]

    def lines(self) -> list[Line]:
        """The same with `-` where nothing stands: what a pipe gets, and `awk` can count."""
        rows = tuple(tuple(cell if plain(cell) else line("-") for cell in row) for row in self.rows)
        return replace(self, rows=rows).drawn()

    def blocks(self) -> list[Line]:
        """Each row as a block of its own, a line for each cell: for more columns than a terminal is wide."""
        lines: list[Line] = []
        longest = max(len(column.title) for column in self.columns)
        for first, *others in self.rows:
            lines += [line(), first] if lines else [first]
            for cell, column in zip(others, self.columns[1:], strict=True):
                if plain(cell):
                    lines.append(line(Span(f"  {column.title.ljust(longest)}  ", Style.FAINT), *cell))
        return lines

    def _only(self, kept: list[int]) -> Sheet:
        return Sheet(
            tuple(self.columns[i] for i in kept),
            tuple(tuple(row[i] for i in kept) for row in self.rows),
        )

    def _widths(self) -> list[int]:
        return [max([len(column.title), *(width(row[i]) for row in self.rows)]) for i, column in enumerate(self.columns)]

    def _width(self, *, shrunk: bool) -> int:
        widths = [
            min(wide, column.least) if shrunk and column.shrinks else wide
            for column, wide in zip(self.columns, self._widths(), strict=True)
        ]
        return sum(widths) + _GAP * (len(widths) - 1)

    def _cut(self, columns: int) -> Sheet:
        excess = self._width(shrunk=False) - columns
        limits = self._widths()
        # The widest gives first, so that a long address does not cost a short name its end. Where that is not enough, and what
        # is left can't be dropped, everything gives: no line is ever wider than the terminal.
        for last_resort in (False, True):
            for i in sorted(range(len(limits)), key=lambda i: -limits[i]):
                column = self.columns[i]
                least = _LEAST if last_resort else column.least if column.shrinks else limits[i]
                taken = max(0, min(excess, limits[i] - least))
                limits[i] -= taken
                excess -= taken
        titles = tuple(
            replace(column, title=plain(cut(line(column.title), limit)))
            for column, limit in zip(self.columns, limits, strict=True)
        )
        rows = tuple(
            tuple(cut(cell, limit, middle=c.middle) for cell, limit, c in zip(row, limits, self.columns, strict=True))
            for row in self.rows
        )
        return Sheet(titles, rows)

    def _line(self, row: tuple[Line, ...], widths: list[int]) -> Line:
        spans: list[Span] = []
        for i, (cell, column) in enumerate(zip(row, self.columns, strict=True)):
            padding = " " * (widths[i] - width(cell))
            last = i == len(row) - 1
            spans += [Span(padding), *cell] if column.right else [*cell, Span("" if last else padding)]
            if not last:
                spans.append(Span(" " * _GAP))
        while spans and not spans[-1].text.strip():
            spans.pop()
        return tuple(span for span in spans if span.text)
