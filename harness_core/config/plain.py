"""Whether a JSON Schema is right beyond doubt, told without jsonschema, whose import takes longer than the rest of a start."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
Check = Callable[[Any], bool]


def is_plain(schema: Any) -> bool:
    """True: it is a schema of well-known keywords, each with a value of its kind. False: it takes jsonschema to say."""
    if isinstance(schema, bool):
        return True
    return isinstance(schema, dict) and all(key in _RIGHT and _RIGHT[key](value) for key, value in schema.items())


def _anything(value: Any) -> bool:
    return True


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _pattern(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except re.error:
        return False


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value)) and len(set(value)) == len(value)


def _type(value: Any) -> bool:
    return value in _TYPES if isinstance(value, str) else _names(value) and bool(value) and _TYPES.issuperset(value)


def _by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(map(is_plain, value.values()))


def _several(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_plain, value))


_RIGHT: Mapping[str, Check] = {
    **dict.fromkeys(("title", "description", "format", "$comment"), _text),
    **dict.fromkeys(("default", "const"), _anything),
    **dict.fromkeys(("enum", "examples"), lambda value: isinstance(value, list)),
    **dict.fromkeys(("deprecated", "uniqueItems"), lambda value: isinstance(value, bool)),
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"), _count),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _number),
    **dict.fromkeys(("items", "additionalProperties", "propertyNames", "not", "if", "then", "else"), is_plain),
    **dict.fromkeys(("anyOf", "oneOf", "allOf"), _several),
    "pattern": _pattern,
    "properties": _by_name,
    "required": _names,
    "type": _type,
}
