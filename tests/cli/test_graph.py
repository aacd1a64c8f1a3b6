"""`harness graph`: who needs whom, in words and in languages that other programs draw."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from harness_core.cli.diagram import as_dot, as_mermaid, diagram_of
from harness_core.config.model import ProjectConfig

# `end` is a word of mermaid's, `node` and `strict` are Graphviz's, and `1.x-y` is nobody's identifier.
CONFIG = """\
version: "1.0"
name: digraph
services:
  end: { type: process, command: x, health_check: { command: "true" } }
  node: { type: process, command: x, oneshot: true, dependencies: [end] }
  1.x-y: { type: process, command: x, ports: [6379] }
  strict: { type: process, command: "x ${1.x-y.port} ${node.host}", dependencies: [end, node] }
  alone: { type: process, command: x, profiles: [night, debug] }
"""


@pytest.fixture
def graph(harness):
    harness.write(CONFIG)
    return lambda *arguments: harness.ok("graph", *arguments)


def test_a_pipe_gets_a_service_a_line_in_the_order_of_starting(graph):
    result = graph()

    rows = [re.split(r"  +", row.strip()) for row in result.out.splitlines()]
    assert rows == [
        ["level", "service", "type", "needs"],
        ["1", "1.x-y", "process", "-"],
        ["1", "alone", "process", "-"],
        ["1", "end", "process", "-"],
        ["2", "node", "process", "end healthy"],
        ["3", "strict", "process", "1.x-y started (implied), end healthy, node completed"],
    ]
    assert result.err == ""


def test_a_terminal_gets_a_tree_by_levels(harness):
    harness.write(CONFIG)
    terminal = harness.terminal("graph", "node", "alone")

    assert terminal.wait() == 0
    assert terminal.plain.split("\n") == [
        "level 1",
        "  alone  process, profile night or debug",
        "  end  process, health check",
        "level 2",
        "  node  process, oneshot",
        "  └─ end healthy",
        "",
    ]


def test_json_tells_conditions_and_what_only_a_reference_implies(graph):
    answer = graph("--json").json

    assert answer["name"] == "digraph"
    assert [service["name"] for service in answer["services"]] == ["1.x-y", "alone", "end", "node", "strict"]
    assert answer["services"][3] == {
        "name": "node",
        "type": "process",
        "level": 2,
        "oneshot": True,
        "health_check": False,
        "profiles": [],
    }
    assert answer["dependencies"] == [
        {"service": "node", "needs": "end", "condition": "healthy", "implied": False},
        {"service": "strict", "needs": "1.x-y", "condition": "started", "implied": True},
        {"service": "strict", "needs": "end", "condition": "healthy", "implied": False},
        {"service": "strict", "needs": "node", "condition": "completed", "implied": False},
    ]
    assert graph("--format", "json").json == answer


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("node",), ["end", "node"]),
        (("node", "alone"), ["alone", "end", "node"]),
        (("node", "--dependents"), ["end", "node", "strict"]),
    ],
    ids=" ".join,
)
def test_names_pick_a_part(graph, arguments, shown):
    answer = graph(*arguments, "--json").json

    assert [service["name"] for service in answer["services"]] == shown
    assert {name for edge in answer["dependencies"] for name in (edge["service"], edge["needs"])} <= set(shown)


# What the language takes, as far as it is used here: a parser of mermaid's own weighs 180 MB.
_MERMAID_NODE = re.compile(r'  (s\d+)(?:\["([^"]*)"\]|\(\["([^"]*)"\]\))')
_MERMAID_EDGE = re.compile(r"  (s\d+) (-->|-\.->)\|(started|healthy|completed)\| (s\d+)")


def test_mermaid_has_ids_of_its_own_and_names_in_quotes(graph):
    first, *lines = graph("--format", "mermaid").out.splitlines()

    nodes = {m[1]: m[2] or m[3] for one in lines if (m := _MERMAID_NODE.fullmatch(one))}
    edges = [(nodes[m[1]], m[2], m[3], nodes[m[4]]) for one in lines if (m := _MERMAID_EDGE.fullmatch(one))]
    assert first == "flowchart LR"
    assert sorted(nodes.values()) == ["1.x-y", "alone", "end", "node", "strict"]
    assert len(nodes) + len(edges) == len(lines)
    assert ("strict", "-.->", "started", "1.x-y") in edges
    assert ("node", "-->", "healthy", "end") in edges


def test_graphviz_draws_what_dot_says(graph):
    if not shutil.which("dot"):
        pytest.skip("Graphviz is not installed")

    done = subprocess.run(
        ["dot", "-Tplain"], input=graph("--format", "dot").out, capture_output=True, text=True, check=True, timeout=60
    )

    drawn = [row.split() for row in done.stdout.splitlines()]
    assert sorted(row[1].strip('"') for row in drawn if row[0] == "node") == ["1.x-y", "alone", "end", "node", "strict"]
    edges = {(row[1].strip('"'), row[2].strip('"'), row[-2]) for row in drawn if row[0] == "edge"}
    assert {(tail, head) for tail, head, _ in edges} == {
        ("node", "end"), ("strict", "1.x-y"), ("strict", "end"), ("strict", "node"),
    }  # fmt: skip
    assert {head for _, head, style in edges if style == "dashed"} == {"1.x-y"}
    assert done.stderr == ""


def test_an_empty_project_is_still_a_graph():
    empty = diagram_of(ProjectConfig("a-1", "a", "/a/services.yaml", "", {}, {}), {})

    assert as_mermaid(empty) == "flowchart LR\n"
    assert as_dot(empty).startswith('digraph "a" {\n')


def test_an_unknown_service_gets_a_suggestion(harness):
    harness.write(CONFIG)

    result = harness.run("graph", "nod")

    assert result.code == 2
    assert result.err == "error[service.unknown]: no service 'nod' in the configuration\n  hint: did you mean 'node'?\n"


def test_dependents_of_nothing_is_a_usage_error(harness):
    harness.write(CONFIG)

    assert harness.run("graph", "--dependents").code == 2


def test_a_circle_is_an_error_of_the_configuration(harness):
    harness.write(CONFIG.replace("command: x, health_check", "command: x, dependencies: [strict], health_check"))

    result = harness.run("graph", "--json")

    assert result.code == 3
    assert {problem["kind"] for problem in result.json["error"]["problems"]} == {"config.cycle"}


def test_no_daemon_is_started(harness):
    harness.write(CONFIG)
    harness.ok("graph")

    assert not (harness.state_dir / "daemon.json").exists()
