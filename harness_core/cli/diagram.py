"""Diagram: who needs whom, as a value, and the same in the languages that other programs draw.

Names of projects, services and executors have letters, digits, `.`, `_` and `-` alone: in quotes they mean themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness_core import graph

if TYPE_CHECKING:
    from harness_core.config.model import ProjectConfig


@dataclass(frozen=True, slots=True)
class Node:
    """A service; `level` 1 starts first, and each other level after what it needs of the ones before."""

    name: str
    type: str
    level: int
    oneshot: bool
    health_check: bool
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """`service` starts only when `needs` is `condition`; `implied`: nobody wrote that, a reference says so."""

    service: str
    needs: str
    condition: str
    implied: bool


@dataclass(frozen=True, slots=True)
class Diagram:
    """Services in the order in which they start, and what each needs."""

    project: str
    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def needs(self, service: str) -> list[Edge]:
        """What one service needs, by name."""
        return [edge for edge in self.edges if edge.service == service]

    def part(self, names: Collection[str], *, dependents: bool) -> Diagram:
        """Only these services and what they need; with `dependents` also what needs them."""
        needed = {node.name: [edge.needs for edge in self.needs(node.name)] for node in self.nodes}
        kept = graph.closure(needed, names)
        if dependents:
            kept |= graph.closure(graph.reverse(needed), names)
        return Diagram(
            self.project,
            self.name,
            tuple(node for node in self.nodes if node.name in kept),
            tuple(edge for edge in self.edges if {edge.service, edge.needs} <= kept),
        )


def diagram_of(project: ProjectConfig, implied: Mapping[str, Collection[str]]) -> Diagram:
    """The diagram of a project; `implied` names for each service the dependencies that its references imply."""
    needed = {name: service.dependencies.keys() for name, service in project.services.items()}
    levels: dict[str, int] = {}
    for name in graph.order(needed):
        levels[name] = 1 + max((levels[needs] for needs in needed[name]), default=0)
    nodes = [
        Node(name, service.type, levels[name], service.oneshot, service.health_check is not None, service.profiles)
        for name, service in project.services.items()
    ]
    edges = [
        Edge(name, needs, str(condition), needs in implied.get(name, ()))
        for name, service in sorted(project.services.items())
        for needs, condition in sorted(service.dependencies.items())
    ]
    return Diagram(project.id, project.name, tuple(sorted(nodes, key=lambda n: (n.level, n.name))), tuple(edges))


def as_json(diagram: Diagram) -> dict[str, Any]:
    """The diagram as docs/cli.md describes it."""
    return {
        "project": diagram.project,
        "name": diagram.name,
        "services": [{**asdict(node), "profiles": list(node.profiles)} for node in diagram.nodes],
        "dependencies": [asdict(edge) for edge in diagram.edges],
    }


def as_mermaid(diagram: Diagram) -> str:
    """A flowchart for mermaid: arrows lead to what is needed, dotted where a reference implies it; oneshots are rounded."""
    # Ids of our own: `end` and other words of the language may well be names of services.
    ids = {node.name: f"s{number}" for number, node in enumerate(diagram.nodes, start=1)}
    lines = ["flowchart LR"]
    for node in diagram.nodes:
        opens, closes = ("([", "])") if node.oneshot else ("[", "]")
        lines.append(f'  {ids[node.name]}{opens}"{node.name}"{closes}')
    for edge in diagram.edges:
        arrow = "-.->" if edge.implied else "-->"
        lines.append(f"  {ids[edge.service]} {arrow}|{edge.condition}| {ids[edge.needs]}")
    return "\n".join(lines) + "\n"


def as_dot(diagram: Diagram) -> str:
    """A digraph for Graphviz: arrows lead to what is needed, dashed where a reference implies it; oneshots are rounded."""
    lines = [f'digraph "{diagram.name}" {{', "  rankdir=LR;", "  node [shape=box];"]
    for node in diagram.nodes:
        style = ", style=rounded" if node.oneshot else ""
        lines.append(f'  "{node.name}" [label="{node.name}\\n{node.type}"{style}];')
    for edge in diagram.edges:
        style = ", style=dashed" if edge.implied else ""
        lines.append(f'  "{edge.service}" -> "{edge.needs}" [label="{edge.condition}"{style}];')
    return "\n".join([*lines, "}"]) + "\n"
