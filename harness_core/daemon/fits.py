"""Whether a value fits one of our own JSON Schemas, told in microseconds.

jsonschema takes longer to check a small request than the daemon takes to answer it, and is large: it is for saying *why*
something does not fit. Only the keywords that our requests use are known here; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Fits = Callable[[Any], bool]


def _is_integer(value: Any) -> bool:
    return value.__class__ is int or (value.__class__ is float and value.is_integer())


_TYPES: Mapping[str, Fits] = {
    "string": lambda value: value.__class__ is str,
    "integer": _is_integer,
    "number": lambda value: value.__class__ is int or value.__class__ is float,
    "boolean": lambda value: value.__class__ is bool,
    "null": lambda value: value is None,
    "array": lambda value: value.__class__ is list,
    "object": lambda value: value.__class__ is dict,
}
_KNOWN = frozenset({"type", "anyOf", "items", "minItems", "maxItems", "properties", "required", "additionalProperties"})


def compiled(schema: Mapping[str, Any]) -> Fits:
    """What tells whether a decoded JSON value fits the schema; ValueError for a keyword that is not known here."""
    unknown = schema.keys() - _KNOWN
    if unknown:
        raise ValueError(f"keywords that are not known here: {', '.join(sorted(unknown))}")
    checks: list[Fits] = []
    if "type" in schema:
        checks.append(_any([_TYPES[name] for name in _listed(schema["type"])]))
    if "anyOf" in schema:
        checks.append(_any([compiled(each) for each in schema["anyOf"]]))
    if schema.keys() & {"items", "minItems", "maxItems"}:
        checks.append(_array(schema))
    if schema.keys() & {"properties", "required", "additionalProperties"}:
        checks.append(_object(schema))
    return checks[0] if len(checks) == 1 else lambda value: all(check(value) for check in checks)


def _listed(types: str | list[str]) -> list[str]:
    return [types] if isinstance(types, str) else types


def _any(checks: list[Fits]) -> Fits:
    return checks[0] if len(checks) == 1 else lambda value: any(check(value) for check in checks)


def _array(schema: Mapping[str, Any]) -> Fits:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    item = compiled(schema["items"]) if "items" in schema else None

    def fits(value: Any) -> bool:
        if value.__class__ is not list:
            return True
        if len(value) < least or (most is not None and len(value) > most):
            return False
        return item is None or all(map(item, value))

    return fits


def _object(schema: Mapping[str, Any]) -> Fits:
    known = {name: compiled(each) for name, each in schema.get("properties", {}).items()}
    required = frozenset(schema.get("required", ()))
    additional = schema.get("additionalProperties", True)
    other = (lambda value: additional) if isinstance(additional, bool) else compiled(additional)

    def fits(value: Any) -> bool:
        if value.__class__ is not dict:
            return True
        return required <= value.keys() and all(known.get(name, other)(each) for name, each in value.items())

    return fits
