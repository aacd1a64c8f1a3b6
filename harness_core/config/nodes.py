"""Nodes: a YAML document as a tree in which every key and value remembers where it was written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from harness_core.config.problem import Position


@dataclass(slots=True)
class Scalar:
    """A single value as it was written. Its meaning depends on the place: `5432` is a number as a port, text in `env`.

    `plain`: unquoted; `variable`: wholly one `${NAME}`, so that it may become a number where one is expected.
    """

    file: str
    line: int
    column: int
    text: str
    plain: bool = True
    variable: bool = False


@dataclass(slots=True)
class Items:
    """A list."""

    file: str
    line: int
    column: int
    items: list[Node]


@dataclass(slots=True)
class Pairs:
    """A mapping; each key keeps the place where it was written."""

    file: str
    line: int
    column: int
    pairs: dict[str, tuple[Scalar, Node]]

    def get(self, key: str) -> Node | None:
        """The value of a key, if it is there."""
        pair = self.pairs.get(key)
        return pair[1] if pair else None

    def key(self, key: str) -> Scalar | Pairs:
        """The key itself, or this mapping when it has no such key: where to point when the key is wrong or missing."""
        pair = self.pairs.get(key)
        return pair[0] if pair else self


Node = Scalar | Items | Pairs


def position(node: Node) -> Position:
    """Where a node was written."""
    return Position(node.file, node.line, node.column)


def find(node: Node, path: list[str | int]) -> Node:
    """The node at a path below `node`, or the nearest one above it that exists."""
    for step in path:
        child: Node | None = None
        if isinstance(node, Pairs):
            child = node.get(str(step))
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
            child = node.items[step]
        if child is None:
            return node
        node = child
    return node


_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})?(?:\.[0-9]{0,20})?(?:[eE][-+]?[0-9]{1,2})?\Z")


def is_null(node: Node) -> bool:
    """Whether nothing was written, or `null`."""
    return isinstance(node, Scalar) and node.plain and node.text in _NULL


def natural(scalar: Scalar) -> Any:
    """What a scalar means where any type may stand.

    Only what nobody misreads becomes something else than text: `true`, `false`, `null`, decimal numbers. YAML 1.1's
    other readings (`yes`, `22:22` as a number in base 60, `0755`, dates, `1_000`) stay the text that was written.
    """
    text = scalar.text
    if not (scalar.plain or scalar.variable):
        return text
    if text in _NULL:
        return None if scalar.plain else text
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text) and any(c.isdigit() for c in text):
        return float(text)
    return text
