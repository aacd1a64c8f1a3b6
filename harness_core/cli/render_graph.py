"""Who needs whom: level by level on a terminal, one service a line in a pipe."""

from __future__ import annotations

from itertools import groupby

from harness_core.cli.diagram import Diagram, Edge, Node
from harness_core.cli.sheet import Column, Sheet
from harness_core.cli.text import Line, Span, Style, line

_COLUMNS = (Column("level", right=True), Column("service"), Column("type"), Column("needs"))


def graph_lines(diagram: Diagram) -> list[Line]:
    """Every service once, under the level at which it starts, with what it needs below it."""
    lines = []
    for level, nodes in groupby(diagram.nodes, key=lambda node: node.level):
        lines.append(line(Span(f"level {level}", Style.FAINT)))
        for node in nodes:
            edges = diagram.needs(node.name)
            lines.append(line("  ", Span(node.name, Style.NAME), Span(f"  {_traits(node)}", Style.FAINT)))
            lines += [_branch(edge, last=edge is edges[-1]) for edge in edges]
    return lines


def graph_sheet(diagram: Diagram) -> Sheet:
    """The same as a table: what a service needs stands in its row."""
    return Sheet(
        _COLUMNS,
        tuple(
            (line(str(node.level)), line(node.name), line(node.type), line(", ".join(map(_need, diagram.needs(node.name)))))
            for node in diagram.nodes
        ),
    )


def _traits(node: Node) -> str:
    traits = {"oneshot": node.oneshot, "health check": node.health_check, f"profile {' or '.join(node.profiles)}": node.profiles}
    return ", ".join([node.type, *(trait for trait, has in traits.items() if has)])


def _branch(edge: Edge, *, last: bool) -> Line:
    implied = (Span(", implied by a reference", Style.FAINT),) if edge.implied else ()
    return line(Span("  └─ " if last else "  ├─ ", Style.FAINT), edge.needs, f" {edge.condition}", *implied)


def _need(edge: Edge) -> str:
    return f"{edge.needs} {edge.condition}" + (" (implied)" if edge.implied else "")
