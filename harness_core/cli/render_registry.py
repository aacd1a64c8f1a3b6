"""What runs where and how it is reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from harness_core.cli.render_status import STATE_STYLES
from harness_core.cli.sheet import Column, Sheet
from harness_core.cli.text import Line, Span, Style, line

_LIST = (
    Column("service"),
    Column("state", keep=2),
    Column("place", keep=4, shrinks=True),
    Column("endpoint", keep=3),
    Column("address", keep=1, shrinks=True, narrowest=20),
    Column("valid in", keep=5, shrinks=True),
)
_RESOLVED = (
    Column("endpoint"),
    Column("host", keep=2, shrinks=True),
    Column("port", keep=3, right=True),
    Column("url", keep=1, shrinks=True, narrowest=20),
)


def registry_sheet(records: Sequence[Mapping[str, Any]], *, with_projects: bool) -> Sheet:
    """One row an address; services without one have a row too."""
    rows = [row for record in records for row in _rows(record)]
    if not with_projects:
        return Sheet(_LIST, tuple(rows))
    projects = [line(record["project"]) for record in records for _ in _rows(record)]
    return Sheet((Column("project"), *_LIST), tuple((project, *row) for project, row in zip(projects, rows, strict=True)))


def resolved_sheet(answer: Mapping[str, Any]) -> Sheet:
    """One row an endpoint."""
    rows = [
        (
            line(one["name"]),
            line(one["host"] or ""),
            line(str(one["port"] or "")),
            line(Span(one["url"], Style.NAME) if one["url"] else Span("not reachable from there", Style.CARE)),
        )
        for one in answer["endpoints"]
    ]
    return Sheet(_RESOLVED, tuple(rows))


def record_line(record: Mapping[str, Any], *, now: datetime, with_project: bool) -> Line:
    """Time, service, state, health, and every address."""
    name = f"{record['project']}/{record['service']}" if with_project else record["service"]
    health = () if record["health"] == "none" else (" ", Span(record["health"], _style(record["health"])))
    addresses = [f"{_url(endpoint, address)}" for endpoint in record["endpoints"] for address in endpoint["addresses"]]
    return line(
        Span(now.strftime("%H:%M:%S"), Style.FAINT),
        " ",
        Span(name, Style.STRONG),
        "  ",
        Span(record["state"], _style(record["state"])),
        *health,
        *(("  ", Span(" ".join(addresses), Style.NAME)) if addresses else ()),
    )


def _rows(record: Mapping[str, Any]) -> Iterator[tuple[Line, ...]]:
    head = (
        line(Span(record["service"], Style.STRONG)),
        line(Span(record["state"], _style(record["state"]))),
        line(_place(record["place"], nowhere="unknown")),
    )
    empty = True
    for endpoint in record["endpoints"]:
        for address in endpoint["addresses"]:
            empty = False
            url = line(Span(_url(endpoint, address), Style.NAME))
            yield (*head, line(endpoint["name"]), url, line(_place(address["within"], nowhere="anywhere")))
    if empty:
        yield (*head, line(""), line(""), line(""))


def _url(endpoint: Mapping[str, Any], address: Mapping[str, Any]) -> str:
    host = f"[{address['host']}]" if ":" in address["host"] else address["host"]
    return f"{endpoint['protocol']}://{host}:{address['port']}"


def _place(place: Mapping[str, Any] | None, *, nowhere: str) -> str:
    if place is None:
        return nowhere
    network: str | None = place["network"]
    host: str = place["host"]
    return f"{host}, network {network}" if network else host


def _style(state: str) -> Style:
    return STATE_STYLES.get(state, Style.PLAIN)
