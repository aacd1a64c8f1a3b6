"""What a start, stop, restart or apply came to: a line a service, and why where it failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness_core.cli.render_status import STATE_STYLES, urls
from harness_core.cli.text import Line, Span, Style, cells, line, padded, visible
from harness_core.cli.words import ending, plural


def outcome_lines(outcome: Mapping[str, Any], *, only_failures: bool = False) -> list[Line]:
    """✓ or ✗ for each service, with its addresses, or with its cause and last lines."""
    services = [s for s in outcome["services"] if not (only_failures and s["reached"])]
    width = max((cells(s["name"]) for s in services), default=0)
    return [one for service in services for one in _service(service, width)]


def verdict(outcome: Mapping[str, Any]) -> Line:
    """The whole in a sentence."""
    services = outcome["services"]
    late = [s["name"] for s in services if not s["reached"] and (outcome["timed_out"] or not s.get("pending"))]
    pending = [s["name"] for s in services if not s["reached"] and s["name"] not in late]
    if not services:
        return line("nothing to do")
    if not late and not pending:
        return line(Span(f"{plural(len(services), 'service')} as wished", Style.GOOD))
    if not late:
        there = len(services) - len(pending)
        return line(f"{there} of {plural(len(services), 'service')} as wished; still on their way: {', '.join(pending)}")
    when = "in time " if outcome["timed_out"] else ""
    said = Span(f"not reached {when}by {len(late)} of {plural(len(services), 'service')}: {', '.join(late)}", Style.BAD)
    others = f"; still on their way: {', '.join(pending)}" if pending else ""
    return line(said, others)


def last_lines(lines: Iterable[str]) -> list[Line]:
    """The last output of a service, set off."""
    return [line(Span("    │ ", Style.FAINT), visible(text.rstrip("\n"))) for text in lines]


def _service(service: Mapping[str, Any], width: int) -> list[Line]:
    state, name = service["state"], padded(service["name"], width)
    style = STATE_STYLES.get(state, Style.PLAIN)
    if service["reached"]:
        already = " already" if service["already"] else ""
        address = urls(service.get("endpoints"))
        reached = (Span("  "), Span(address, Style.NAME)) if address else ()
        return [line(Span("✓ ", Style.GOOD), name, "  ", Span(state, style), already, *reached)]
    if service.get("pending") and not service.get("last_lines"):
        # It may still get there: not a failure, and not to be drawn like one beside the one that failed.
        so_far = f": {visible(service['reason'])}" if service.get("reason") else ""
        return [line(Span("… ", Style.FAINT), name, "  ", Span(state, style), so_far)]
    cause = service.get("reason") or ending(service.get("exit"))
    head = line(Span("✗ ", Style.BAD), name, "  ", Span(state, style), f": {visible(cause)}" if cause else "")
    return [head, *last_lines(service.get("last_lines") or ())]
