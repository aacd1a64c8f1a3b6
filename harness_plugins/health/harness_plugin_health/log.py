"""The log check: healthy from the moment that a line of output matches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from harness_core.contracts import Health, HealthCheck, Target
from harness_plugin_health.excerpt import first_words


class LogCheck(HealthCheck):
    """Looks at the lines written since the last probe; one match holds for the rest of the run."""

    async def probe(self, config: Any, target: Target) -> Health:
        """Healthy, and latched, when a fresh line matches."""
        pattern = _pattern(config)
        line = first_match(pattern, await target.fresh_output())
        if line is None:
            return Health(False, f"not yet in the output: {pattern!r}")
        return Health(True, first_words(line), latch=True)

    def describe(self, config: Any) -> str:
        """The text that is waited for."""
        return f"log {_pattern(config)!r}"


def first_match(pattern: str, lines: Sequence[bytes]) -> bytes | None:
    """The first line that contains the pattern, in which `*` is any text and `?` any one character."""
    if not set(pattern) & set("*?"):
        wanted = pattern.encode()
        return next((line for line in lines if wanted in line), None)
    pieces = _pieces(pattern)
    return next((line for line in lines if _contains(line.decode("utf-8", "replace"), pieces)), None)


def _pattern(config: Any) -> str:
    return str(config["pattern"] if isinstance(config, dict) else config)


@lru_cache(maxsize=256)
def _pieces(pattern: str) -> tuple[re.Pattern[str], ...]:
    # One regex for all of it could backtrack for minutes on a hostile line. Its pieces between the stars cannot: each has
    # a fixed length, and taking the leftmost place for each in turn never misses a match.
    pieces = (piece for piece in pattern.split("*") if piece)
    return tuple(re.compile(re.escape(piece).replace(r"\?", "."), re.DOTALL) for piece in pieces)


def _contains(line: str, pieces: Sequence[re.Pattern[str]]) -> bool:
    at = 0
    for piece in pieces:
        found = piece.search(line, at)
        if found is None:
            return False
        at = found.end()
    return True
