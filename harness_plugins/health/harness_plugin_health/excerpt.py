"""Excerpts: a few words of what a service said, safe to print."""

from __future__ import annotations

import re

_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")


def first_words(data: bytes, *, limit: int = 200) -> str:
    """The beginning of the text on one line, without control characters."""
    # Four bytes are the most that a character takes; the rest need not be looked at.
    text = _clean(data[: 8 * limit])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def last_lines(data: bytes, *, lines: int = 3, limit: int = 400) -> str:
    """The last lines that say something, joined on one line, without control characters."""
    found = [line for raw in data[-8 * limit :].splitlines() if (line := _clean(raw))]
    text = " / ".join(found[-lines:])
    return text if len(text) <= limit else "…" + text[-(limit - 1) :]


def _clean(data: bytes) -> str:
    text = _ESCAPE_SEQUENCE.sub("", data.decode("utf-8", "replace"))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
