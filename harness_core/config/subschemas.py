"""Looking into a JSON Schema: which schemas may hold for a key or item, and which types they allow.

Used for plugins' schemas, where validation itself is jsonschema's: to read a scalar as the type that its place wants, to
find paths, and to name the keys that are known there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Schemas = Sequence[Mapping[str, Any]]

_COMBINING = ("allOf", "anyOf", "oneOf")
_CONDITIONAL = ("if", "then", "else")
_DEPTH = 32


def alternatives(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The schema and every schema that is combined into it for the same value."""
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return
    yield schema
    if isinstance(ref := schema.get("$ref"), str):
        yield from alternatives(resolve(ref, root), root, depth + 1)
    for word in _COMBINING:
        for branch in schema.get(word, ()):
            yield from alternatives(branch, root, depth + 1)
    for word in _CONDITIONAL:
        yield from alternatives(schema.get(word), root, depth + 1)


def resolve(ref: str, root: Any) -> Any:
    """What a `$ref` inside the same document points to; None when there is nothing."""
    if ref == "#":
        return root
    if not ref.startswith("#/"):
        return None
    for part in ref[2:].split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(root, Mapping):
            root = root.get(part)
        elif isinstance(root, list) and part.isdigit() and int(part) < len(root):
            root = root[int(part)]
        else:
            return None
    return root


def at_key(schemas: Schemas, key: str, root: Mapping[str, Any]) -> Schemas:
    """The schemas that may hold for the value of a key."""
    found: list[Mapping[str, Any]] = []
    for schema in schemas:
        hits = [schema["properties"][key]] if key in schema.get("properties", {}) else []
        hits += [s for pattern, s in schema.get("patternProperties", {}).items() if re.search(pattern, key)]
        for hit in hits or [schema.get("additionalProperties"), schema.get("unevaluatedProperties")]:
            found += alternatives(hit, root)
    return found


def at_index(schemas: Schemas, index: int, root: Mapping[str, Any]) -> Schemas:
    """The schemas that may hold for an item of a list."""
    found: list[Mapping[str, Any]] = []
    for schema in schemas:
        prefix = schema.get("prefixItems", ())
        found += alternatives(prefix[index] if index < len(prefix) else schema.get("items"), root)
    return found


def known_keys(schemas: Schemas) -> set[str]:
    """The keys that are named for this value."""
    return {key for schema in schemas for key in schema.get("properties", {})}


def types(schemas: Schemas) -> set[str]:
    """The types that are named for this value; empty when nothing is said."""
    found: set[str] = set()
    for schema in schemas:
        named = schema.get("type", ())
        found.update([named] if isinstance(named, str) else named)
        for value in [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]:
            found.add(_TYPE_OF.get(type(value), "string"))
    return found


_TYPE_OF = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    dict: "object",
    list: "array",
}
