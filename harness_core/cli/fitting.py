"""Lines made to fit: cut where they stand in a table, folded where all of it matters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from harness_core.cli.text import Line, Span, Style, cells, plain, width

_Character = tuple[str, Style]
_NARROW = 12
"""Columns below which every one is needed for the text itself."""

# Where text that belongs together begins: after a gap of two spaces, or after the bar that sets off output.
_GAP = re.compile(r"(?<=\S)(?: {2,}|(?<=[│|]) )(?=\S)")


def cut(of: Line, limit: int, *, middle: bool = False) -> Line:
    """The line in at most `limit` columns, with an ellipsis where something is missing: at the end, or in the middle."""
    if width(of) <= limit:
        return of
    if limit < 1:
        return ()
    if not middle:
        return (*_first(of, limit - 1), Span("…", of[-1].style))
    text, style = plain(of), of[0].style
    head = plain(_first((Span(text),), (limit - 1) // 2))
    tail = plain(_first((Span(text[::-1]),), limit - 1 - cells(head)))[::-1]
    return (Span(f"{head}…{tail}", style),)


def fold(of: Line, columns: int) -> list[Line]:
    """The line in pieces of at most `columns`, broken between words where that is possible.

    What follows the first piece stands under the beginning of the text that it continues.
    """
    of = without_tabs(of)
    if width(of) <= columns:
        return [of]
    hang = _hang(plain(of), columns)
    characters = [(character, span.style) for span in of for character in span.text]
    pieces: list[Line] = []
    at, room = 0, max(columns, 2)
    while at < len(characters):
        end = _break(characters, at, room)
        pieces.append(_joined(characters[at:end], indent=hang if pieces else 0))
        at, room = end, max(columns - hang, 2)
        while at < len(characters) and characters[at][0] == " ":
            at += 1
    return pieces


def without_tabs(of: Line) -> Line:
    """Tabs as the spaces that a terminal shows for them."""
    if not any("\t" in span.text for span in of):
        return of
    spans, column = [], 0
    for span in of:
        text = ""
        for character in span.text:
            step = " " * (8 - column % 8) if character == "\t" else character
            text, column = text + step, column + cells(step)
        spans.append(replace(span, text=text))
    return tuple(spans)


def _first(of: Line, room: int) -> tuple[Span, ...]:
    """As much of the line as stands in `room` columns."""
    kept: list[Span] = []
    for span in of:
        text = ""
        for character in span.text:
            room -= cells(character)
            if room < 0:
                return (*kept, replace(span, text=text))
            text += character
        kept.append(span)
    return tuple(kept)


def _hang(text: str, columns: int) -> int:
    """How far continuations are indented."""
    if columns < _NARROW:
        return 0
    gaps = [cells(text[: gap.end()]) for gap in _GAP.finditer(text, 0, columns)]
    usable = [gap for gap in gaps if gap <= columns // 2]
    return usable[-1] if usable else min(len(text) - len(text.lstrip(" ")) + 2, columns // 2)


def _break(characters: list[_Character], start: int, room: int) -> int:
    """Where the piece from `start` on ends: at a space if there is one in its second half, and never at once."""
    end = start
    while end < len(characters) and room >= 0:
        room -= cells(characters[end][0])
        end += 1
    if room >= 0:
        return end
    end -= 1
    for at in range(end, start + (end - start) // 2, -1):
        if characters[at][0] == " ":
            return at
    return max(end, start + 1)


def _joined(characters: list[_Character], *, indent: int) -> Line:
    while characters and characters[-1][0] == " ":
        characters.pop()
    return tuple(_spans([*[(" ", Style.PLAIN)] * indent, *characters]))


def _spans(characters: list[_Character]) -> Iterator[Span]:
    text = ""
    for i, (character, style) in enumerate(characters):
        text += character
        if i + 1 == len(characters) or characters[i + 1][1] is not style:
            yield Span(text, style)
            text = ""
