"""Reading nodes by core's schema: values of the right type, and a problem with its place for whatever is not.

Core's keys are read by this walker rather than by a JSON Schema library: it keeps positions, goes on after each mistake,
converts what people write (`1m30s`, `yes`) and says what was expected in words. It knows the part of JSON Schema that
`core_keys` uses; a test holds the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from harness_core.config.durations import parse_duration, parse_size
from harness_core.config.nodes import Items, Node, Pairs, Scalar, is_null, natural, position
from harness_core.config.problem import Position, Problem

WRONG: Any = object()
"""What is read where a problem was noted."""

_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})
_INTEGER = re.compile(r"[-+]?[0-9][0-9_]{0,20}\Z")
_OCTAL = re.compile(r"[-+]?0[0-9]")
_BASED = re.compile(r"0(?:x[0-9a-fA-F]{1,12}|o[0-7]{1,15})\Z")
_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9_]{0,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,2})?\Z")
_OTHER_WORDS = {
    "depends_on": "dependencies",
    "environment": "env",
    "healthcheck": "health_check",
    "entrypoint": "binary",
    "cwd": "working_dir",
    "workdir": "working_dir",
    "test": "command",
}
"""What other tools call it."""
_MANY = 200
"""So many suggestions are enough: a thousand unknown words against a thousand known ones would take minutes."""


_LIKE = 0.6
"""How much a word must be like another to be taken for it."""


def closest(word: str, known: Iterable[str], *, cutoff: float = _LIKE) -> str | None:
    """The known word that was probably meant; above the usual cutoff, only for how it is spelt."""
    known = sorted(known)
    other = _OTHER_WORDS.get(word) if cutoff <= _LIKE else None
    if other in known:
        return other
    if len(known) > _MANY:
        known = [name for name in known if name[:1] == word[:1]][:_MANY]
    return next(iter(get_close_matches(word[:64], known, n=1, cutoff=cutoff)), None)


def suggest(word: str, known: Iterable[str]) -> str | None:
    """`did you mean 'x'?`, when something like it is known."""
    meant = closest(word, known)
    return f"did you mean '{meant}'?" if meant else None


def shown(node: Node) -> str:
    """What was found, for a message."""
    if isinstance(node, Pairs):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    if is_null(node):
        return "nothing"
    return f"'{short(node.text)}'"


def short(text: str) -> str:
    """The text, cut to what fits into a sentence."""
    text = text.replace("$$", "$").replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(slots=True)
class Suggestions:
    """Finds what was meant, for the first few hundred words of a configuration; nobody reads more of them."""

    left: int = _MANY

    def closest(self, word: str, known: Iterable[str], *, cutoff: float = _LIKE) -> str | None:
        """The known word that was probably meant."""
        self.left -= 1
        return closest(word, known, cutoff=cutoff) if self.left >= 0 else None

    def suggest(self, word: str, known: Iterable[str]) -> str | None:
        """`did you mean 'x'?`, when something like it is known."""
        meant = self.closest(word, known)
        return f"did you mean '{meant}'?" if meant else None


@dataclass(slots=True)
class Reader:
    """Reads nodes by core's schema and collects what is wrong, and the values that were written `{secret: …}`."""

    definitions: Mapping[str, Any]
    suggestions: Suggestions = field(default_factory=Suggestions)
    problems: list[Problem] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def note(self, kind: str, message: str, at: Node | Position | None, path: str, hint: str | None = None) -> None:
        """Add an error."""
        where = at if at is None or isinstance(at, Position) else position(at)
        self.problems.append(Problem(kind, message, where, path, hint))

    def warn(self, kind: str, message: str, at: Node, path: str, hint: str | None = None) -> None:
        """Add a warning."""
        self.problems.append(Problem(kind, message, position(at), path, hint, severity="warning"))

    def read(self, node: Node, schema: Mapping[str, Any], path: str) -> Any:
        """The value of a node, or WRONG when problems were noted."""
        if special := _SPECIAL.get(schema.get("$ref", "")):
            return special(self, node, schema, path)
        schema = self._resolved(schema)
        if "anyOf" in schema:
            return self._any_of(node, schema["anyOf"], path)
        if is_null(node):
            self.note("config.type", f"{_last(path)} has no value: expected {self.expected(schema)}", node, path)
            return WRONG
        kind = schema.get("type", "string")
        if kind == "object":
            return self._object(node, schema, path)
        if kind == "array":
            return self._array(node, schema, path)
        return self._scalar(node, schema, path)

    def keys(
        self, node: Node, properties: Mapping[str, Any], path: str, *, required: Iterable[str] = ()
    ) -> dict[str, Any] | None:
        """A mapping of known keys; what is wrong is left out. None when it is no mapping."""
        if not isinstance(node, Pairs):
            self.note("config.type", f"{_last(path)}: expected a mapping, found {shown(node)}", node, path)
            return None
        result: dict[str, Any] = {}
        for name, (key, value) in node.pairs.items():
            if name not in properties:
                if not name.startswith("x-"):
                    self.unknown_key(key, properties, path)
            elif (read := self.read(value, properties[name], f"{path}.{name}")) is not WRONG:
                result[name] = read
        unknown = [name for name in node.pairs if name not in properties]
        for name in required:
            if name not in node.pairs and all(closest(word, properties) != name for word in unknown[:_MANY]):
                self.note("config.missing-key", f"'{name}' is missing", node, path)
        return result

    def unknown_key(self, key: Scalar, known: Iterable[str], path: str) -> None:
        """Note a key that nobody knows."""
        known = list(known)
        hint = self.suggestions.suggest(key.text, known) or (
            f"known here: {', '.join(sorted(known))}" if 0 < len(known) <= 12 else None
        )
        self.note("config.unknown-key", f"unknown key '{short(key.text)}'", key, f"{path}.{key.text}".lstrip("."), hint)

    def expected(self, schema: Mapping[str, Any]) -> str:
        """What a schema wants, in words."""
        schema = self._resolved(schema)
        if "anyOf" in schema:
            words = dict.fromkeys(self.expected(branch) for branch in schema["anyOf"])
            return " or ".join(words)
        if "enum" in schema:
            return "one of " + ", ".join(schema["enum"])
        kind = schema.get("type")
        return _WORDS.get(kind if isinstance(kind, str) else "string", "text")

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        if ref := schema.get("$ref"):
            return {**self.definitions[ref.rpartition("/")[2]], **schema, "$ref": ""}
        return schema

    def _any_of(self, node: Node, branches: list[Mapping[str, Any]], path: str) -> Any:
        """The first branch that takes the node; when none does, what is wrong by the first that fits its kind."""
        fitting = [branch for branch in branches if self._fits(node, branch)]
        if not fitting or is_null(node):
            expected = self.expected({"anyOf": branches})
            self.note("config.type", f"{_last(path)}: expected {expected}, found {shown(node)}", node, path)
            return WRONG
        before = len(self.problems)
        first: list[Problem] = []
        for branch in fitting:
            value = self.read(node, branch, path)
            if value is not WRONG and len(self.problems) == before:
                return value
            first = first or self.problems[before:]
            del self.problems[before:]
        self.problems += first
        return WRONG

    def _fits(self, node: Node, schema: Mapping[str, Any]) -> bool:
        schema = self._resolved(schema)
        if "anyOf" in schema:
            return any(self._fits(node, branch) for branch in schema["anyOf"])
        if isinstance(node, Scalar) and schema.get("type") == "integer":
            return isinstance(natural(node), int)
        kind = {"object": Pairs, "array": Items}.get(str(schema.get("type")), Scalar)
        return isinstance(node, kind)

    def _object(self, node: Node, schema: Mapping[str, Any], path: str) -> Any:
        if "properties" in schema:
            read = self.keys(node, schema["properties"], path, required=schema.get("required", ()))
            return WRONG if read is None else read
        if not isinstance(node, Pairs):
            self.note("config.type", f"{_last(path)}: expected a mapping, found {shown(node)}", node, path)
            return WRONG
        pattern = schema.get("propertyNames", {}).get("pattern")
        values: dict[str, Any] = {}
        for name, (key, value) in node.pairs.items():
            if pattern and not re.search(pattern, name):
                self.note("config.value", f"'{short(name)}' can't be a name here", key, f"{path}.{name}")
            elif (read := self.read(value, schema["additionalProperties"], f"{path}.{name}")) is not WRONG:
                values[name] = read
        return values

    def _array(self, node: Node, schema: Mapping[str, Any], path: str) -> Any:
        if not isinstance(node, Items):
            self.note("config.type", f"{_last(path)}: expected a list, found {shown(node)}", node, path)
            return WRONG
        if len(node.items) < schema.get("minItems", 0):
            self.note("config.value", f"{_last(path)} is empty", node, path)
            return WRONG
        read = [self.read(item, schema["items"], f"{path}[{index}]") for index, item in enumerate(node.items)]
        return WRONG if any(item is WRONG for item in read) else read

    def _scalar(self, node: Node, schema: Mapping[str, Any], path: str) -> Any:
        if not isinstance(node, Scalar):
            self.note("config.type", f"{_last(path)}: expected {self.expected(schema)}, found {shown(node)}", node, path)
            return WRONG
        try:
            match schema.get("type"):
                case "boolean":
                    return boolean(node)
                case "integer":
                    return _within(integer(node), schema)
                case "number":
                    return _within(number(node), schema)
        except ValueError as error:
            self.note("config.type", f"{_last(path)}: {error}", node, path)
            return WRONG
        return self._string(node, schema, path)

    def _string(self, node: Scalar, schema: Mapping[str, Any], path: str) -> Any:
        text = node.text
        if "enum" in schema and text not in schema["enum"]:
            words = ", ".join(schema["enum"])
            hint = suggest(text.lower(), schema["enum"]) or ("did you mean 'no'?" if text in ("false", "False") else None)
            self.note("config.value", f"{_last(path)} can't be '{short(text)}': expected one of {words}", node, path, hint)
            return WRONG
        if len(text) < schema.get("minLength", 0):
            self.note("config.value", f"{_last(path)} is empty", node, path)
            return WRONG
        if "pattern" in schema and not re.search(schema["pattern"], text):
            self.note("config.value", f"{_last(path)} can't be '{short(text)}'", node, path, schema.get("description"))
            return WRONG
        return text

    def _converted(self, convert: Callable[[Any], Any], node: Node, schema: Mapping[str, Any], path: str) -> Any:
        if not isinstance(node, Scalar) or is_null(node):
            self.note("config.type", f"{_last(path)}: expected {self.expected(schema)}, found {shown(node)}", node, path)
            return WRONG
        try:
            value = natural(node)
            return _within(convert(node.text if isinstance(value, bool | None) else value), schema)
        except ValueError as error:
            self.note("config.value", f"{_last(path)}: {error}", node, path)
            return WRONG

    def _duration(self, node: Node, schema: Mapping[str, Any], path: str) -> Any:
        return self._converted(parse_duration, node, schema, path)

    def _size(self, node: Node, schema: Mapping[str, Any], path: str) -> Any:
        return self._converted(parse_size, node, schema, path)

    def _text(self, node: Node, schema: Mapping[str, Any], path: str) -> Any:
        if not isinstance(node, Scalar):
            self.note("config.type", f"{_last(path)}: expected text, found {shown(node)}", node, path)
            return WRONG
        if is_null(node):
            self.note("config.type", f"{_last(path)} has no value", node, path, 'write "" for empty text')
            return WRONG
        return node.text

    def _value(self, node: Node, schema: Mapping[str, Any], path: str) -> Any:
        if isinstance(node, Pairs) and set(node.pairs) == {"secret"}:
            value = self._text(node.pairs["secret"][1], schema, f"{path}.secret")
            if value is not WRONG:
                self.secrets.add(value)
            return value
        return self._text(node, schema, path)


_SPECIAL: dict[str, Callable[[Reader, Node, Mapping[str, Any], str], Any]] = {
    "#/$defs/duration": Reader._duration,
    "#/$defs/size": Reader._size,
    "#/$defs/text": Reader._text,
    "#/$defs/value": Reader._value,
}

_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def boolean(scalar: Scalar) -> bool:
    """True or false, also as `yes` and `no`; raises ValueError in words."""
    word = scalar.text.lower()
    if (scalar.plain or scalar.variable) and word in _TRUE | _FALSE:
        return word in _TRUE
    raise ValueError(f"expected true or false, found {shown(scalar)}{_unquote(scalar, word in _TRUE | _FALSE)}")


def integer(scalar: Scalar) -> int:
    """A whole number; raises ValueError in words. `1_000` and `0x1F` are numbers, `0755` is refused as ambiguous."""
    text = scalar.text
    if scalar.plain or scalar.variable:
        if _OCTAL.match(text) and _INTEGER.match(text):
            raise ValueError(f"'{text}' may be octal or not: write it without the leading 0, or as 0o{text.lstrip('+-0')}")
        if _INTEGER.match(text):
            return int(text.replace("_", ""))
        if _BASED.match(text):
            return int(text, 0)
    raise ValueError(f"expected a whole number, found {shown(scalar)}{_unquote(scalar, bool(_INTEGER.match(text)))}")


def number(scalar: Scalar) -> float:
    """A number; raises ValueError in words."""
    text = scalar.text
    if (scalar.plain or scalar.variable) and _NUMBER.match(text):
        return float(text.replace("_", ""))
    raise ValueError(f"expected a number, found {shown(scalar)}{_unquote(scalar, bool(_NUMBER.match(text)))}")


def _unquote(scalar: Scalar, would_fit: bool) -> str:
    return " in quotes: remove them" if would_fit and not scalar.plain else ""


def _within(value: Any, schema: Mapping[str, Any]) -> Any:
    if value < schema.get("minimum", value):
        raise ValueError(f"{value:g} is too small: at least {schema['minimum']}")
    if value > schema.get("maximum", value):
        raise ValueError(f"{value:g} is too large: at most {schema['maximum']}")
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        raise ValueError(f"{value:g} is too small: more than {schema['exclusiveMinimum']}")
    return value


def _last(path: str) -> str:
    """The key that a path ends with, for a message."""
    return path.rpartition(".")[2] or path
