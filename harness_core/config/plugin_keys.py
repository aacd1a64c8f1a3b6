"""Reading the keys that belong to a plugin: scalars as its schema wants them, checked by jsonschema, paths made absolute."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness_core.config.nodes import Items, Node, Pairs, Scalar, find, natural, position
from harness_core.config.problem import Problem
from harness_core.config.schema import embedded
from harness_core.config.shape import boolean, integer, number, short, suggest
from harness_core.config.subschemas import Schemas, alternatives, at_index, at_key, known_keys, types
from harness_core.contracts.offer import Offer
from harness_core.template import render

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Resolve = Callable[[str, Node], str]
"""Makes a path absolute, as seen from where the node was written."""

_MANY = 200
"""Suggestions for so many keys of one mapping, and no more."""
_FINE_WITHOUT_KEYS = frozenset({"type", "title", "description", "examples", "properties", "additionalProperties"})
_SINGLE = frozenset({"string", "integer", "number", "boolean", "null"})
_MEANINGS: Mapping[str, Callable[[Scalar], Any]] = {"boolean": boolean, "integer": integer, "number": number}
_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


@dataclass(slots=True)
class PluginKeys:
    """One offer's schema, ready to read with; made once per offer."""

    offer: Offer
    kind: str
    closed: bool = field(init=False)
    schemas: Schemas = field(init=False)
    _validator: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.closed = self.kind != "health_check"
        self.schemas = list(alternatives(self.offer.schema, self.offer.schema))

    @property
    def _takes_nothing(self) -> bool:
        """Whether an empty mapping is right, as is plain without looking further."""
        schema = self.offer.schema
        return schema.get("type") == "object" and schema.keys() <= _FINE_WITHOUT_KEYS

    @property
    def known(self) -> set[str]:
        """The keys that the schema names."""
        return known_keys(self.schemas)

    def knows(self, key: str) -> bool:
        """Whether the schema has a place for a key."""
        return bool(at_key(self.schemas, key, self.offer.schema)) or key in self.known

    def read(self, node: Node, secrets: set[str]) -> Any:
        """The JSON value that was written, each scalar as its place wants it; `{secret: …}` is taken apart."""
        return self._read(node, self.schemas, secrets)

    def _read(self, node: Node, schemas: Schemas, secrets: set[str]) -> Any:
        root = self.offer.schema
        if isinstance(node, Items):
            return [self._read(item, at_index(schemas, i, root), secrets) for i, item in enumerate(node.items)]
        if isinstance(node, Pairs):
            wanted = types(schemas)
            if set(node.pairs) == {"secret"} and wanted and wanted <= _SINGLE and isinstance(node.get("secret"), Scalar):
                value = self._read(node.pairs["secret"][1], schemas, secrets)
                secrets.add(str(value))
                return value
            return {name: self._read(item, at_key(schemas, name, root), secrets) for name, (_, item) in node.pairs.items()}
        return typed(node, types(schemas))

    def check(self, value: Any, node: Node, path: str, what: str, *, meant: Container[str] = ()) -> Iterator[Problem]:
        """What is wrong with a value, each with the place of the node that it was read from.

        Keys in `meant` were misspelt elsewhere: they are not missing.
        """
        if value == {} and self._takes_nothing:
            return  # most services write none of their executor's keys: jsonschema need not be imported to say that it is right
        validator = self._validator
        if validator is None:
            validator = self._validator = self._build()
        # Patterns speak about what people wrote, not about templates.
        literal = render(value, str)
        for error in validator.iter_errors(literal):
            if error.validator == "required" and not error.path and _missing(error) in meant:
                continue
            yield from self._explain(error, node, path, what)

    def _build(self) -> Any:
        from jsonschema import Draft202012Validator

        if not self.closed:
            return Draft202012Validator(self.offer.schema)
        schema = {"$ref": "#/$defs/plugin.own", "$defs": {"plugin.own": embedded(self.offer.schema, "plugin.own")}}
        return Draft202012Validator({**schema, "unevaluatedProperties": False})

    def _explain(self, error: ValidationError, node: Node, path: str, what: str) -> Iterator[Problem]:
        steps: list[str | int] = list(error.absolute_path)
        at = find(node, steps)
        where = path + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
        name = where.rpartition(".")[2]
        word: Any = error.validator
        allowed: Any = error.validator_value
        if word in ("additionalProperties", "unevaluatedProperties") and isinstance(error.instance, Mapping):
            yield from self._unknown(error, at, where, what, steps)
            return
        hint = None
        kind = "config.value"
        if word == "required":
            kind = "config.missing-key"
            message = f"{what} needs '{_missing(error)}'"
        elif word == "type":
            kind = "config.type"
            wanted = [allowed] if isinstance(allowed, str) else allowed
            found = "nothing" if error.instance is None else f"'{short(at.text)}'" if isinstance(at, Scalar) else _found(error)
            message = f"{name}: expected {' or '.join(_WORDS[w] for w in wanted)}, found {found}"
        elif word == "enum":
            words = [str(w) for w in allowed]
            message = f"{name} can't be '{short(str(error.instance))}': expected one of {', '.join(words)}"
            hint = suggest(str(error.instance), words)
        elif word in ("anyOf", "oneOf") and (alternatives := _alternatives(error)):
            kind = "config.missing-key"
            message = f"{what} needs one of {', '.join(map(repr, alternatives))}"
        elif word in ("anyOf", "oneOf") and error.context:
            yield from self._explain(_nearest(error), node, path, what)
            return
        elif word == "pattern":
            message = f"{name} can't be '{short(str(error.instance))}'"
            hint = error.schema.get("description") if isinstance(error.schema, Mapping) else None
        else:
            message = f"{name}: {short_message(error.message)}"
        yield Problem(kind, message, position(at), where, hint)

    def _unknown(self, error: ValidationError, at: Node, where: str, what: str, steps: list[str | int]) -> Iterator[Problem]:
        schemas = self.schemas
        for step in steps:
            root = self.offer.schema
            schemas = at_index(schemas, step, root) if isinstance(step, int) else at_key(schemas, step, root)
        known = known_keys(schemas)
        patterns = [pattern for schema in schemas for pattern in schema.get("patternProperties", {})]
        instance: Any = error.instance
        for count, key in enumerate(instance):
            if key in known or any(re.search(pattern, key) for pattern in patterns):
                continue
            hint = (suggest(key, known) if count < _MANY else None) or (
                f"known here: {', '.join(sorted(known))}" if 0 < len(known) <= 12 else None
            )
            place = at.key(key) if isinstance(at, Pairs) else at
            yield Problem("config.unknown-key", f"unknown key '{short(key)}' for {what}", position(place), f"{where}.{key}", hint)

    def with_paths(self, value: Any, node: Node, resolve: Resolve) -> Any:
        """The value with every `format: path` made absolute; `node` is what the value was read from."""
        return self._paths(value, node, self.schemas, resolve)

    def _paths(self, value: Any, node: Node, schemas: Schemas, resolve: Resolve) -> Any:
        root = self.offer.schema
        if isinstance(value, Mapping):
            return {key: self._paths(item, find(node, [key]), at_key(schemas, key, root), resolve) for key, item in value.items()}
        if isinstance(value, list):
            return [self._paths(item, find(node, [i]), at_index(schemas, i, root), resolve) for i, item in enumerate(value)]
        return resolve(value, node) if isinstance(value, str) and _is_path(schemas) else value

    def texts_under(self, value: Any, wanted: Callable[[str], bool]) -> Iterator[str]:
        """Single values under keys that are `wanted`, paths aside."""
        return self._texts(value, self.schemas, wanted)

    def _texts(self, value: Any, schemas: Schemas, wanted: Callable[[str], bool]) -> Iterator[str]:
        if isinstance(value, Mapping):
            for key, item in value.items():
                inner = at_key(schemas, key, self.offer.schema)
                if isinstance(item, str | int | float) and not isinstance(item, bool) and wanted(key) and not _is_path(inner):
                    yield str(item)
                yield from self._texts(item, inner, wanted)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._texts(item, at_index(schemas, index, self.offer.schema), wanted)


def typed(scalar: Scalar, wanted: set[str]) -> Any:
    """A scalar as one of the wanted types where that is possible, else as it reads naturally."""
    value = natural(scalar)
    if not wanted or _type(value) in wanted or (isinstance(value, int) and "number" in wanted and not isinstance(value, bool)):
        return value
    if "string" in wanted:
        return value if value is None else scalar.text
    for kind in ("boolean", "integer", "number"):
        if kind in wanted:
            try:
                return _MEANINGS[kind](scalar)
            except ValueError:
                continue
    return value


def short_message(message: str) -> str:
    """A library's sentence, cut where it repeats a whole value."""
    return message if len(message) <= 200 else message[:197] + "..."


def _type(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return kinds.get(type(value), "null")


def _is_path(schemas: Schemas) -> bool:
    return any(schema.get("format") == "path" for schema in schemas)


def _missing(error: ValidationError) -> str:
    named = re.match(r"'(.*?)' is a required", error.message)
    return named[1] if named else "a key"


def _alternatives(error: ValidationError) -> list[str]:
    """The keys of which one must be there, when that is all that every branch misses."""
    branches = error.context or []
    if not all(branch.validator == "required" and not branch.path for branch in branches):
        return []
    return list(dict.fromkeys(map(_missing, branches)))


def _found(error: ValidationError) -> str:
    return "a list" if isinstance(error.instance, list) else "a mapping" if isinstance(error.instance, Mapping) else "this"


def _nearest(error: ValidationError) -> ValidationError:
    """The error of the branch that fits best: one that took the value's type, or else the first."""
    return min(error.context or [error], key=lambda e: (e.validator == "type" and len(e.path) == 0, -len(e.path)))
