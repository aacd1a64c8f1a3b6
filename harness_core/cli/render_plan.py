"""What applying would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from harness_core.cli.text import Line, Span, Style, cells, line, padded, visible

_MARKS = {
    "start": Span("+ start  ", Style.GOOD),
    "restart": Span("~ restart", Style.CARE),
    "stop": Span("- stop   ", Style.BAD),
    "remove": Span("- remove ", Style.BAD),
    "keep": Span("  keep   ", Style.FAINT),
}


def plan_lines(plan: Mapping[str, Any], *, with_kept: bool = False) -> list[Line]:
    """A line for each service that changes, with its reason; then the counts."""
    steps = [step for step in plan["steps"] if with_kept or step["action"] != "keep"]
    width = max((cells(step["service"]) for step in steps), default=0)
    return [*(_step(step, width) for step in steps), _counts(plan)]


def _step(step: Mapping[str, Any], width: int) -> Line:
    reason = visible(step.get("reason") or "")
    name = Span(padded(step["service"], width) if reason else step["service"], Style.STRONG)
    return line(_MARKS[step["action"]], " ", name, f"  {reason}" if reason else "")


def _counts(plan: Mapping[str, Any]) -> Line:
    counts = Counter(step["action"] for step in plan["steps"])
    if not plan["changes"]:
        return line(Span(f"{plan['name']}: nothing would change", Style.GOOD))
    words = ", ".join(f"{counts[action]} to {action}" for action in _MARKS if counts[action])
    return line(Span(f"{plan['name']}: {words}", Style.STRONG))
