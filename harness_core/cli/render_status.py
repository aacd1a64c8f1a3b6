"""The status of services: a table, and below it what does not fit into one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from harness_core.cli.sheet import Column, Sheet
from harness_core.cli.text import Line, Span, Style, cells, line, padded, visible
from harness_core.cli.words import duration, ending, since, size

STATE_STYLES: Mapping[str, Style] = {
    "running": Style.GOOD, "completed": Style.GOOD, "healthy": Style.GOOD,
    "waiting": Style.CARE, "starting": Style.CARE, "stopping": Style.CARE, "backoff": Style.CARE, "unreachable": Style.CARE,
    "failed": Style.BAD, "unhealthy": Style.BAD, "blocked": Style.BAD, "lost": Style.BAD, "stop-stuck": Style.BAD,
    "driver-missing": Style.BAD, "stopped": Style.FAINT,
}  # fmt: skip

TROUBLED = frozenset(state for state, style in STATE_STYLES.items() if style is Style.BAD) | {"backoff", "unreachable"}
_SETTLED = frozenset({"running", "completed", "stopped"})
_LONG_NAME = 24
_ENDED = ("stopped", "failed", "backoff", "lost")

_COLUMNS = (
    Column("service", shrinks=True, narrowest=24, middle=True),
    Column("type", keep=4),
    Column("state", shrinks=True, narrowest=11),
    Column("health", keep=2),
    Column("uptime", keep=3, right=True),
    Column("restarts", keep=5, right=True),
    Column("endpoint", keep=1, shrinks=True, narrowest=22),
    Column("reason", keep=6),
)
_FIGURES = (
    Column("cpu", keep=8, right=True),
    Column("memory", keep=7, right=True),
)
_DETAILS = (
    Column("pid", keep=9, right=True),
    Column("processes", keep=12, right=True),
    Column("run", keep=11),
    Column("containment", keep=10),
    Column("notes", keep=13, shrinks=True),
)


def status_sheet(status: Mapping[str, Any], *, now: datetime, figures: bool = False, detailed: bool = False) -> Sheet:
    """One row a service; `figures` adds CPU and memory, `detailed` also what few people need."""
    columns = _COLUMNS + (_FIGURES if figures or detailed else ()) + (_DETAILS if detailed else ())
    rows = []
    for service in status["services"]:
        more = (_figures(service) if figures or detailed else ()) + (_details(service) if detailed else ())
        rows.append(_row(service, now) + more)
    return Sheet(columns, tuple(rows))


def status_lines(status: Mapping[str, Any], *, now: datetime, columns: int, figures: bool, detailed: bool) -> list[Line]:
    """The status on a terminal so wide: the table; where it has no room for reasons, below it those of what is in trouble."""
    if not status["services"]:
        return []
    sheet = status_sheet(status, now=now, figures=figures, detailed=detailed).without_empty()
    if detailed and not sheet.fits(columns):
        return [*sheet.blocks(), line()]
    fitted = sheet.fit(columns)
    told = any(column.title == "reason" for column in fitted.columns)
    return [*fitted.drawn(), *([] if told else reasons(status["services"]))]


def status_screen(
    status: Mapping[str, Any], *, now: datetime, columns: int, rows: int, figures: bool, detailed: bool
) -> list[Line]:
    """The status and its summary in at most so many rows: where they are too few, what is in trouble comes first."""
    lines = [*status_lines(status, now=now, columns=columns, figures=figures, detailed=detailed), summary(status)]
    if len(lines) <= rows:
        return lines
    services = sorted(status["services"], key=lambda s: (urgency(s["state"], s["health"]), s["name"]))
    shown, hidden = services[: max(0, rows - 3)], services[max(0, rows - 3) :]
    table = status_sheet({**status, "services": shown}, now=now, figures=figures).without_empty().fit(columns).drawn()
    more = line(Span(f"… {len(hidden)} more: ", Style.FAINT), *_counts(hidden))
    return [*table, *([more] if hidden else []), summary(status)][-rows:]


def reasons(services: Iterable[Mapping[str, Any]]) -> list[Line]:
    """A line for each service that is not settled and has a reason for it."""
    told = [s for s in services if s.get("reason") and s["state"] not in _SETTLED and s["reason"] != s["state"]]
    wide = max((cells(s["name"]) for s in told), default=0)
    wide = wide if wide <= _LONG_NAME else 0
    return [
        line("  ", Span(padded(s["name"], wide), STATE_STYLES.get(s["state"], Style.PLAIN)), "  ", visible(s["reason"]))
        for s in told
    ]


def urgency(state: str, health: str) -> int:
    """0: in trouble; 1: on its way; 2: as it should be. What has too little room shows the first first."""
    if state in TROUBLED or health == "unhealthy":
        return 0
    return 2 if state in _SETTLED and health != "starting" else 1


def summary(status: Mapping[str, Any]) -> Line:
    """The project in a line: `shop: 7 running, 1 failed`."""
    return line(Span(status["name"], Style.STRONG), ": ", *(_counts(status["services"]) or ["no services"]))


def urls(endpoints: Mapping[str, str] | None) -> str:
    """The addresses alone."""
    return ", ".join((endpoints or {}).values())


def _counts(services: Iterable[Mapping[str, Any]]) -> Line:
    counts: dict[str, int] = {}
    for service in services:
        counts[service["state"]] = counts.get(service["state"], 0) + 1
    parts: list[str | Span] = []
    for i, (state, count) in enumerate(sorted(counts.items(), key=lambda pair: -pair[1])):
        parts += [", " if i else "", Span(f"{count} {state}", STATE_STYLES.get(state, Style.PLAIN))]
    return line(*parts)


def _row(service: Mapping[str, Any], now: datetime) -> tuple[Line, ...]:
    state, health, reason = service["state"], service["health"], service.get("reason") or ""
    word = f"{state} ({ending(service['exit'])})" if state in _ENDED and service.get("exit") else state
    alive = service.get("started_at") and state in ("running", "unhealthy", "starting", "stopping", "unreachable")
    uptime = since(service["started_at"], now) if alive else None
    return (
        line(Span(service["name"], Style.STRONG)),
        line(service["type"]),
        line(Span(word, STATE_STYLES.get(state, Style.PLAIN))),
        line(Span("" if health == "none" else health, STATE_STYLES.get(health, Style.PLAIN))),
        line("" if uptime is None else duration(uptime)),
        line(str(service["restarts"] or "")),
        line(Span(urls(service.get("endpoints")), Style.NAME)),
        line(Span("" if reason == state else visible(reason), Style.FAINT)),
    )


def _figures(service: Mapping[str, Any]) -> tuple[Line, ...]:
    cpu, memory = service.get("cpu_seconds"), service.get("memory")
    return line("" if cpu is None else duration(cpu)), line("" if memory is None else size(memory))


def _details(service: Mapping[str, Any]) -> tuple[Line, ...]:
    notes = list(service.get("notes") or ())
    if service.get("crash_safe") is False:
        notes.insert(0, "not crash-safe")
    return (
        line(str(service.get("pid") or "")),
        line(str(service.get("processes") or "")),
        line(service.get("run") or ""),
        line(service.get("containment") or ""),
        line(visible("; ".join(notes))),
    )
