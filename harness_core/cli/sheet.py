"""Sheet: a table as a value, which knows what to leave out when the terminal is narrow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness_core.cli.text import Line, Span, Style, line, plain

_GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """`keep`: 0 is never dropped; the highest goes first. `shrinks`: its cells may be cut, to `narrowest` at least."""

    title: str
    keep: int = 0
    right: bool = False
    shrinks: bool = False
    narrowest: int = 12


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns and rows of cells; a cell is a line."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Line, ...], ...]

    def without_empty(self) -> Sheet:
        """The sheet without optional columns in which nothing stands."""
        kept = [i for i, c in enumerate(self.columns) if c.keep == 0 or any(plain(row[i]) for row in self.rows)]
        return self._only(kept)

    def fit(self, width: int) -> Sheet:
        """The sheet with as few columns dropped, and cells cut, as it takes to stand in `width` columns."""
        kept: list[int] = []
        # One that does not fit leaves its room to those after it.
        for i in sorted(range(len(self.columns)), key=lambda i: self.columns[i].keep):
            if self.columns[i].keep == 0 or self._only(sorted([*kept, i]))._width(shrunk=True) <= width:
                kept.append(i)
        return self._only(sorted(kept))._cut(width)

    def lines(self) -> list[Line]:
        """The sheet as aligned lines, nothing cut, `-` where nothing stands: what a pipe gets, and `awk` can count."""
        header = tuple(line(Span(column.title, Style.FAINT)) for column in self.columns)
        rows = tuple(tuple(cell if plain(cell) else line("-") for cell in row) for row in self.rows)
        widths = replace(self, rows=rows)._widths()
        return [self._line(row, widths) for row in (header, *rows)]

    def _only(self, kept: list[int]) -> Sheet:
        return Sheet(
            tuple(self.columns[i] for i in kept),
            tuple(tuple(row[i] for i in kept) for row in self.rows),
        )

    def _widths(self) -> list[int]:
        return [max([len(column.title), *(len(plain(row[i])) for row in self.rows)]) for i, column in enumerate(self.columns)]

    def _width(self, *, shrunk: bool) -> int:
        widths = [
            min(width, max(column.narrowest, len(column.title))) if shrunk and column.shrinks else width
            for column, width in zip(self.columns, self._widths(), strict=True)
        ]
        return sum(widths) + _GAP * (len(widths) - 1)

    def _cut(self, width: int) -> Sheet:
        excess = self._width(shrunk=False) - width
        widths = self._widths()
        limits = list(widths)
        # The widest gives first, so that a long address does not cost a short name its end.
        for i in sorted(range(len(widths)), key=lambda i: -widths[i]):
            column = self.columns[i]
            if excess > 0 and column.shrinks:
                taken = min(excess, widths[i] - min(widths[i], max(column.narrowest, len(column.title))))
                limits[i] -= taken
                excess -= taken
        rows = tuple(tuple(cut(cell, limit) for cell, limit in zip(row, limits, strict=True)) for row in self.rows)
        return replace(self, rows=rows)

    def _line(self, row: tuple[Line, ...], widths: list[int]) -> Line:
        spans: list[Span] = []
        for i, (cell, column) in enumerate(zip(row, self.columns, strict=True)):
            padding = " " * (widths[i] - len(plain(cell)))
            last = i == len(row) - 1
            spans += [Span(padding), *cell] if column.right else [*cell, Span("" if last else padding)]
            if not last:
                spans.append(Span(" " * _GAP))
        return tuple(span for span in spans if span.text)


def cut(cell: Line, limit: int) -> Line:
    """The line in at most `limit` characters, with an ellipsis where something is missing."""
    if len(plain(cell)) <= limit:
        return cell
    room, kept = max(limit - 1, 0), []
    for span in cell:
        kept.append(replace(span, text=span.text[:room]))
        room -= len(kept[-1].text)
    return (*kept, Span("…", cell[-1].style))
