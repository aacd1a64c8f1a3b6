"""The cause of a service's state in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness_core.cli.render_events import tells, what_happened
from harness_core.cli.render_outcome import last_lines
from harness_core.cli.render_status import STATE_STYLES
from harness_core.cli.text import Line, Span, Style, line, visible
from harness_core.cli.words import clock

_EVENTS = 10
_CAUSES = 5


def why_lines(why: Mapping[str, Any]) -> list[Line]:
    """The sentence, its causes, the last probes, events and lines."""
    state = why["state"]
    told = [event for event in why["events"] if tells(event)][-_EVENTS:]
    # The others are among what happened.
    older = [cause for cause in why["causes"] if cause["at"] and (not told or cause["at"] < told[0]["at"])]
    undated = [cause for cause in why["causes"] if not cause["at"]]
    lines = [
        line(Span(state, STATE_STYLES.get(state, Style.PLAIN)), "  ", visible(why["summary"])),
        *map(_cause, (*older[-_CAUSES:], *undated)),
    ]
    if why["probes"]:
        lines.append(line(Span("last health checks", Style.FAINT)))
        lines += [_probe(probe) for probe in why["probes"][-5:]]
    if told:
        lines.append(line(Span("what happened", Style.FAINT)))
        lines += [line("  ", Span(clock(event["at"]), Style.FAINT), "  ", *what_happened(event)) for event in told]
    if why["last_lines"]:
        lines += [line(Span("last lines", Style.FAINT)), *last_lines(why["last_lines"])]
    return lines


def _cause(cause: Mapping[str, Any]) -> Line:
    at = (Span(clock(cause["at"]), Style.FAINT), "  ") if cause["at"] else ()
    return line("  ", *at, visible(cause["text"]))


def _probe(probe: Mapping[str, Any]) -> Line:
    mark = Span("✓", Style.GOOD) if probe["healthy"] else Span("✗", Style.BAD)
    return line("  ", Span(clock(probe["at"]), Style.FAINT), "  ", mark, " ", visible(probe["detail"] or ""))
