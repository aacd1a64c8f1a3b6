"""Text with meaning: spans that say what they are, turned into plain text or terminal colours at the very end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Style(StrEnum):
    """What a piece of text is, not how it looks."""

    PLAIN = ""
    GOOD = "good"
    BAD = "bad"
    CARE = "care"
    FAINT = "faint"
    NAME = "name"
    STRONG = "strong"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line."""

    text: str
    style: Style = Style.PLAIN


Line = tuple[Span, ...]
"""One line of output, without its newline."""

# Each can be read on a light and on a dark background. So: no white, no black, nothing bright that is nearly white; and "dim"
# instead of a bright black, which in some palettes is the background itself.
CODES = {
    Style.GOOD: "32",
    Style.BAD: "31",
    Style.CARE: "33",
    Style.FAINT: "2",
    Style.NAME: "36",
    Style.STRONG: "1",
}
NAME_CODES = ("36", "35", "32", "33", "94", "95")
# C0 without tab, DEL, and C1: all that can move a cursor, change a mode or open an escape sequence.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def line(*parts: str | Span) -> Line:
    """A line of spans; bare strings are plain."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def plain(of: Line) -> str:
    """The line's text alone."""
    return "".join(span.text for span in of)


def ansi(of: Line) -> str:
    """The line with terminal colours."""
    return "".join(f"\x1b[{CODES[s.style]}m{s.text}\x1b[0m" if s.style in CODES else s.text for s in of if s.text)


def name_colour(name: str) -> str:
    """The colour code of a service's name: the same in each run, spread over the palette."""
    # Not hash(): it differs from process to process.
    return NAME_CODES[sum(ord(c) * (i + 7) for i, c in enumerate(name)) % len(NAME_CODES)]


def visible(text: str) -> str:
    """The text with control characters shown instead of obeyed: `\\x1b`, `\\r`; a tab stays."""
    return _CONTROL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    short = {"\r": "\\r", "\n": "\\n", "\b": "\\b", "\a": "\\a"}.get(character)
    return short or (f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}")


def cells(text: str) -> int:
    """How many columns of a terminal the text takes: two for a wide character, none for what joins the one before it."""
    if text.isascii():
        return len(text)
    # Only now: most output never needs the table of all characters.
    from unicodedata import category, east_asian_width

    return sum(0 if category(c) in ("Mn", "Me", "Cf") else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def width(of: Line) -> int:
    """How many columns of a terminal the line takes."""
    return sum(cells(span.text) for span in of)


def padded(text: str, columns: int) -> str:
    """The text, filled up with spaces to so many columns."""
    return text + " " * (columns - cells(text))
