"""Events as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness_core.cli.render_status import STATE_STYLES, urls
from harness_core.cli.text import Line, Span, Style, line, padded, visible
from harness_core.cli.words import clock, duration, ending

_HEALTH = {"none": "health not checked any more", "starting": "health checks begin"}


def event_line(event: Mapping[str, Any], *, width: int = 0) -> Line:
    """Time, service, and what happened."""
    name = padded(event["service"] or "–", width)
    return line(Span(clock(event["at"]), Style.FAINT), "  ", Span(name, Style.STRONG), "  ", *what_happened(event))


def what_happened(event: Mapping[str, Any]) -> Line:
    """The event without time and name."""
    match event["kind"]:
        case "state":
            return _state(event)
        case "started":
            return line(f"{'found running again' if event['recovered'] else 'started'} as {event['ref']}")
        case "exited":
            bad = not event["intended"] and event["exit"]["code"] != 0
            words = f"ended: {ending(event['exit'])}" + (", as asked" if event["intended"] else "")
            return line(Span(words, Style.BAD if bad else Style.PLAIN))
        case "health":
            words = _HEALTH.get(event["new"], event["new"])
            return line(Span(words, STATE_STYLES.get(event["new"], Style.PLAIN)), _because(event["detail"]))
        case "stop-requested":
            signal = f" with {event['signal']}" if event["signal"] else ""
            return line(f"stop asked by {event['by']}{signal}, KILL after {duration(event['grace'])}")
        case "killed":
            left = "; still alive: " + ", ".join(event["survivors"]) if event["survivors"] else ""
            return line(Span("KILL", Style.BAD), _because(event["reason"] + left))
        case "restart-scheduled":
            return line(Span(f"restart {event['attempt']} in {duration(event['delay'])}", Style.CARE), _because(event["reason"]))
        case "endpoints":
            return line("reached at ", Span(urls(event["endpoints"]) or "no address", Style.NAME))
        case "applied":
            return line(f"configuration applied by {event['by']}", _because(_changes(event)))
        case _:
            return line(visible(str(event.get("detail", ""))))


def tells(event: Mapping[str, Any]) -> bool:
    """Whether the event says something that those around it don't: that nobody asks what has ended for its health does not."""
    return not (event["kind"] == "health" and event["new"] == "none")


def _state(event: Mapping[str, Any]) -> Line:
    state, reason = event["new"], event["reason"]
    # Some reasons begin with the state: "waiting for db to be healthy".
    said = reason if reason.startswith(state) else state + _because(reason)
    return line(Span(said[: len(state)], STATE_STYLES.get(state, Style.PLAIN)), visible(said[len(state) :]))


def _because(reason: str) -> str:
    return f": {visible(reason)}" if reason else ""


def _changes(event: Mapping[str, Any]) -> str:
    return "; ".join(f"{word} {', '.join(event[word])}" for word in ("added", "changed", "removed") if event[word])
