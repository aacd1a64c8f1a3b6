"""Variables of services as a sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness_core.cli.sheet import Column, Sheet
from harness_core.cli.text import Line, Span, Style, line, visible

_COLUMNS = (
    Column("service", keep=2),
    Column("name"),
    Column("value", shrinks=True, narrowest=20),
    Column("from", keep=1, shrinks=True, narrowest=10),
)


def environment_sheet(answer: Mapping[str, Any]) -> Sheet:
    """One row a variable; which service it belongs to is left out where there is one."""
    several = len(answer["services"]) > 1
    rows = [
        (line(service["service"] if several else ""), line(Span(visible(variable["name"]), Style.NAME)), *_cells(variable))
        for service in answer["services"]
        for variable in service["variables"]
    ]
    return Sheet(_COLUMNS, tuple(rows))


def told(variable: Mapping[str, Any]) -> str:
    """Why a variable has no value now."""
    return f"no value now: {visible(variable['problem'] or '')}"


def _cells(variable: Mapping[str, Any]) -> tuple[Line, Line]:
    value = variable["value"]
    shown = line(visible(value)) if value is not None else line(Span(told(variable), Style.CARE))
    return shown, line(Span(visible(variable["file"] or variable["source"]), Style.FAINT))
