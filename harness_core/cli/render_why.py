"""The cause of a service's state in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness_core.cli.render_events import event_line
from harness_core.cli.render_outcome import last_lines
from harness_core.cli.render_status import STATE_STYLES
from harness_core.cli.text import Line, Span, Style, line, visible
from harness_core.cli.words import clock

_EVENTS = 10


def why_lines(why: Mapping[str, Any]) -> list[Line]:
    """The sentence, its causes, the last probes, events and lines."""
    state = why["state"]
    lines = [
        line(
            Span(why["service"], Style.STRONG),
            " is ",
            Span(state, STATE_STYLES.get(state, Style.PLAIN)),
            ": ",
            visible(why["summary"]),
        ),
        *(line("  - ", visible(cause)) for cause in why["causes"]),
    ]
    if why["probes"]:
        lines.append(line(Span("last health checks", Style.FAINT)))
        lines += [_probe(probe) for probe in why["probes"][-5:]]
    if why["events"]:
        lines.append(line(Span("what happened", Style.FAINT)))
        lines += [line("  ", *event_line(event)) for event in why["events"][-_EVENTS:]]
    if why["last_lines"]:
        lines += [line(Span("last lines", Style.FAINT)), *last_lines(why["last_lines"])]
    return lines


def _probe(probe: Mapping[str, Any]) -> Line:
    mark = Span("✓", Style.GOOD) if probe["healthy"] else Span("✗", Style.BAD)
    return line("  ", Span(clock(probe["at"]), Style.FAINT), " ", mark, " ", visible(probe["detail"] or ""))
