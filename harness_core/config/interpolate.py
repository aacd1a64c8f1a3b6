"""Variables: `${NAME}`, `${NAME:-default}`, `${NAME:?message}` in values become text; what is left are templates.

References (`${db.port}`) stay as they are, `$$` and single dollars become `$$`, and dollars in a variable's value are
escaped: a value can never turn into a reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness_core.config.nodes import Items, Node, Pairs, Scalar, position
from harness_core.config.problem import Problem
from harness_core.config.shape import closest
from harness_core.mask import is_secret_name
from harness_core.template import PROPERTIES, escape, references

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MENTION = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")
_DOLLAR = re.compile(r"\$")
_SPECIAL = re.compile(r"[$}]")
_NESTED = 16


@dataclass(slots=True)
class Interpolated:
    """The tree with all variables resolved, what was wrong, and the values of variables whose names say secret."""

    root: Pairs
    problems: list[Problem]
    secrets: set[str]


def interpolate(root: Pairs, *, values: Mapping[str, str], strict: bool) -> Interpolated:
    """The document with variables resolved in values; keys stay as written."""
    run = _Run(values, strict)
    result = run.node(root, "")
    assert isinstance(result, Pairs)
    return Interpolated(result, run.problems, run.secrets)


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str
    operator: str = ""
    """"", ":-" or ":?" """
    word: tuple[_Part, ...] = ()


_Part = str | _Variable


class _Bad(Exception):
    """What stands after a `${` is nothing that can be resolved."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class _Required(Exception):
    """`${NAME:?message}` and no value."""


@dataclass(slots=True)
class _Run:
    values: Mapping[str, str]
    strict: bool
    problems: list[Problem] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    _unset: set[str] = field(default_factory=set)
    _done: dict[int, Node] = field(default_factory=dict)

    def node(self, node: Node, path: str) -> Node:
        # One result per node, however many aliases lead to it.
        key = id(node)
        done = self._done.get(key)
        if done is None:
            done = self._done[key] = self._node(node, path)
        return done

    def _node(self, node: Node, path: str) -> Node:
        if isinstance(node, Scalar):
            return self._scalar(node, path)
        if isinstance(node, Items):
            return replace(node, items=[self.node(item, f"{path}[{index}]") for index, item in enumerate(node.items)])
        pairs = {name: (key, self.node(value, f"{path}.{name}".lstrip("."))) for name, (key, value) in node.pairs.items()}
        return Pairs(node.file, node.line, node.column, pairs)

    def _scalar(self, scalar: Scalar, path: str) -> Scalar:
        if "$" not in scalar.text:
            return scalar
        before = len(self.problems)
        try:
            parts = parse(scalar.text)
            text = self._render(parts, scalar)
        except _Bad as bad:
            self.problems.append(Problem("config.variable", bad.message, position(scalar), path, bad.hint))
            return replace(scalar, text=escape(scalar.text))
        except _Required as required:
            self.problems.append(Problem("config.unset-variable", str(required), position(scalar), path))
            return replace(scalar, text="", plain=False)
        self.problems[before:] = [replace(problem, path=path) for problem in self.problems[before:]]
        return replace(scalar, text=text, plain=False, variable=len(parts) == 1 and isinstance(parts[0], _Variable))

    def _render(self, parts: tuple[_Part, ...], scalar: Scalar) -> str:
        return "".join(part if isinstance(part, str) else self._value(part, scalar) for part in parts)

    def _value(self, variable: _Variable, scalar: Scalar) -> str:
        value = self.values.get(variable.name)
        if not value and variable.operator == ":-":
            text = self._render(variable.word, scalar)
        elif not value and variable.operator == ":?":
            raise _Required(f"{variable.name}: {self._render(variable.word, scalar) or 'must be set'}")
        else:
            if value is None:
                self._note_unset(variable.name, scalar)
            text = escape(value or "")
        if text and is_secret_name(variable.name):
            self.secrets.add(text.replace("$$", "$"))
        return text

    def _note_unset(self, name: str, scalar: Scalar) -> None:
        if name in self._unset:
            return
        self._unset.add(name)
        self.problems.append(unset(name, strict=self.strict, at=scalar))


def unset(name: str, *, strict: bool, at: Scalar) -> Problem:
    """The problem that a variable has no value: an error when strict, else a warning."""
    return Problem(
        "config.unset-variable",
        f"the variable {name} is not set" + ("" if strict else ", so it is empty here"),
        position(at),
        hint=f"set it, or give a default: ${{{name}:-default}}",
        severity="error" if strict else "warning",
    )


def parse(text: str) -> tuple[_Part, ...]:
    """Literal parts (already templates) and variables."""
    parts, end = _parse(text, 0, nested=0)
    assert end == len(text)
    return parts


def _parse(text: str, start: int, *, nested: int) -> tuple[tuple[_Part, ...], int]:
    """The parts from `start` to the end of the text or, when nested, to the closing brace."""
    parts: list[_Part] = []
    at = start
    while at < len(text):
        if nested and text[at] == "}":
            return tuple(parts), at
        if text[at] != "$":
            special = (_SPECIAL if nested else _DOLLAR).search(text, at)
            stop = special.start() if special else len(text)
            parts.append(text[at:stop])
            at = stop
        elif text.startswith("${", at):
            part, at = _braced(text, at, nested=nested)
            parts.append(part)
        else:
            parts.append("$$")
            at += 2 if text.startswith("$$", at) else 1
    if nested:
        raise _Bad("'${' is never closed", "add the '}', or write $${ for the text ${")
    return tuple(parts), at


def _braced(text: str, start: int, *, nested: int) -> tuple[_Part, int]:
    name = NAME.match(text, start + 2)
    after = name.end() if name else start + 2
    operator = text[after : after + 2]
    if name and text[after : after + 1] == "}":
        return _Variable(name[0]), after + 1
    if name and operator in (":-", ":?"):
        if nested >= _NESTED:
            raise _Bad(f"defaults are nested deeper than {_NESTED}")
        word, end = _parse(text, after + 2, nested=nested + 1)
        return _Variable(name[0], operator, word), end + 1
    end = text.find("}", start)
    if end < 0:
        raise _Bad("'${' is never closed", "add the '}', or write $${ for the text ${")
    whole = text[start : end + 1]
    if [str(r) for r in references(whole)] == [whole]:
        return whole, end + 1
    raise _unreadable(whole)


def _unreadable(whole: str) -> _Bad:
    body = whole[2:-1]
    shown = whole if len(whole) <= 60 else whole[:57] + "..."
    if re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", body):
        hint = "a reference is ${service.host}, .ip, .port or .url, or ${service.port.NAME}; service names are lower-case"
        first, _, last = body.rpartition(".")
        if meant := closest(last, PROPERTIES):
            hint = f"did you mean ${{{first}.{meant}}}?"
        return _Bad(f"{shown}: '{last}' is not a property that a service has", hint)
    return _Bad(
        f"{shown} is neither a variable nor a reference",
        "write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${service.port}; $${ passes it on as text, to a shell for example",
    )
