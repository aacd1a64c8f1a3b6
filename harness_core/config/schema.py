"""The JSON Schema of services.yaml: core keys, and what installed plugins add to them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from harness_core.config.core_keys import (
    COMMAND,
    CORE_KEYS,
    DEFINITIONS,
    FREE,
    HEALTH,
    NETWORK,
    OLDER_HEALTH_KEYS,
    SERVICE,
    TOP,
    Schema,
)
from harness_core.config.plain import is_plain
from harness_core.config.subschemas import alternatives, known_keys, resolve, types
from harness_core.contracts.errors import HarnessError
from harness_core.contracts.offer import Capability, Offer

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Offers(Protocol):
    """What configuration needs of a catalog: offers by their own names, and a word about those that are missing."""

    @property
    def executors(self) -> Mapping[str, Offer]:
        """By name."""

    @property
    def layers(self) -> Mapping[str, Offer]:
        """By name."""

    @property
    def health_checks(self) -> Mapping[str, Offer]:
        """By name."""

    def find(self, kind: str, name: str) -> Offer | None:
        """The offer of that name or alias."""

    def missing(self, kind: str, name: str) -> HarnessError:
        """Why there is none, and what to do."""

    def expects(self, kind: str, name: str) -> bool:
        """Whether a plugin is known that offers it, though it can't be used here."""


def merged_schema(catalog: Offers) -> Schema:
    """The schema of a whole services.yaml with every installed plugin's keys, for editors and `harness schema`."""
    executors, layers, checks = catalog.executors, catalog.layers, catalog.health_checks
    definitions: Schema = dict(DEFINITIONS)
    for kind, offers in (("executor", executors), ("layer", layers), ("health_check", checks)):
        for name, offer in sorted(offers.items()):
            definitions[_place(kind, name)] = _described(embedded(offer.schema, _place(kind, name)), offer)
    definitions |= {
        "network": NETWORK,
        "command_keys": {"properties": COMMAND},
        "health_check": _health_check(checks),
        "layer": _by_type("layer", layers, {"type": {"type": "string", "description": "The name of an installed layer."}}),
        "service": _service(executors),
    }
    schema = {
        "$schema": DIALECT,
        "title": "services.yaml",
        "description": "Services that harness starts, watches and stops, wherever they run.",
        "type": "object",
        "required": ["services"],
        "properties": TOP,
        "patternProperties": FREE,
        "additionalProperties": False,
        "$defs": definitions,
    }
    return _spelt_out(schema)  # type: ignore[no-any-return]


def _spelt_out(schema: Any, *, described: bool = False) -> Any:
    """The schema with core's small definitions in place of references to them, and a choice between kinds where one is told.

    An editor shows the description that it finds first: behind a reference, that of the definition instead of the key's own. And
    of alternatives it holds a mistake against the first: `restart: {polcy: no}` would be told to become text.
    """
    if isinstance(schema, list | tuple):
        return [_spelt_out(item, described=described) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if name in DEFINITIONS:
        schema = {**DEFINITIONS[name], **{key: value for key, value in schema.items() if key != "$ref"}}
    if described:
        schema = {key: value for key, value in schema.items() if key != "description" or "properties" in schema}
    branches = schema.get("anyOf", ())
    mappings = [branch for branch in branches if "object" in types([branch]) or not types([branch])]
    if len(mappings) == 1 and mappings[0].get("type") == "object" and mappings[0].get("properties") and len(branches) > 1:
        rest = [branch for branch in branches if branch is not mappings[0]]
        schema = {key: value for key, value in schema.items() if key != "anyOf"}
        schema |= {"if": {"type": "object"}, "then": mappings[0], "else": rest[0] if len(rest) == 1 else {"anyOf": rest}}
        # Words behind an `else` are not offered; examples are.
        schema |= {"examples": words} if (words := [word for branch in rest for word in branch.get("enum", ())]) else {}
    if any(isinstance(example, Mapping) for example in schema.get("examples", ())):
        # Offered where a value is completed, a mapping would read `[object Object]`.
        schema = {**schema, "examples": [example for example in schema["examples"] if not isinstance(example, Mapping)]}
    inside = "description" in schema
    return {key: _spelt_out(value, described=inside and key in ("anyOf", "then", "else")) for key, value in schema.items()}


def _service(executors: Mapping[str, Offer]) -> Schema:
    merged = _by_type("executor", executors, SERVICE)
    merged["patternProperties"] = FREE
    with_command = [n for o in executors.values() if Capability.COMMAND in o.capabilities for n in (o.name, *o.aliases)]
    if with_command:
        merged["allOf"].append(_when_type(sorted(with_command), "command_keys"))
    return merged


def _by_type(kind: str, offers: Mapping[str, Offer], keys: Schema) -> Schema:
    """A mapping whose `type` decides which further keys it may have."""
    words = sorted(word for offer in offers.values() for word in (offer.name, *offer.aliases))
    own = [_when_type([offer.name, *offer.aliases], _place(kind, name)) for name, offer in sorted(offers.items())]
    # Of a type that nobody knows, nobody knows the keys: the type's own error is enough.
    free = {"if": _of_type(words), "else": {"additionalProperties": True}}
    return {
        "type": "object",
        "required": ["type"],
        "properties": {**keys, "type": {**keys["type"], "enum": words}},
        # `if type == x then …`, closed by unevaluatedProperties: `oneOf` would only say "not valid under any of these".
        "allOf": [*own, free],
        "unevaluatedProperties": False,
    }


def _when_type(words: list[str], definition: str) -> Schema:
    return {"if": _of_type(words), "then": {"$ref": f"#/$defs/{definition}"}}


def _of_type(words: list[str]) -> Schema:
    # A pattern, because an editor that completes takes a word of an enum for met as soon as it begins like what is written:
    # below `type: process` it would offer the keys of `process-attach`.
    pattern = f"^(?:{'|'.join(map(re.escape, words))})$"
    return {"type": "object", "properties": {"type": {"type": "string", "pattern": pattern}}, "required": ["type"]}


def _health_check(checks: Mapping[str, Offer]) -> Schema:
    own = {name: {"$ref": f"#/$defs/{_place('health_check', name)}"} for name in sorted(checks)}
    aliases = {alias: own[name] for name, offer in checks.items() for alias in offer.aliases}
    return {
        "type": "object",
        "properties": {**HEALTH, **own, **aliases, "args": {"type": "array", "description": "Older style, beside `command`."}},
        "additionalProperties": False,
        "anyOf": [{"required": [name]} for name in sorted({**own, **aliases})] or [{}],
    }


def _described(schema: Schema, offer: Offer) -> Schema:
    return schema if "description" in schema else {**schema, "description": offer.summary}


def _place(kind: str, name: str) -> str:
    return f"{kind}.{name}"


def embedded(schema: Mapping[str, Any], place: str) -> Schema:
    """A plugin's schema as it stands under `#/$defs/<place>`: its references moved along, its own closing left to us."""
    moved: Schema = _move(schema, f"#/$defs/{place}") if "$id" not in schema else dict(schema)
    if place.partition(".")[0] != "health_check":
        for word in ("additionalProperties", "unevaluatedProperties"):
            if moved.get(word) is False:
                del moved[word]
    moved.pop("$schema", None)
    return moved


def _move(value: Any, to: str) -> Any:
    if isinstance(value, Mapping):
        return {
            key: to + item[1:] if key == "$ref" and isinstance(item, str) and re.match(r"#(/|\Z)", item) else _move(item, to)
            for key, item in value.items()
        }
    return [_move(item, to) for item in value] if isinstance(value, list | tuple) else value


def _not_a_schema(schema: Mapping[str, Any]) -> str | None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path))
        return f"its schema is not a JSON Schema: {'at ' + where + ': ' if where else ''}{error.message}"
    return None


def check_offer_schema(offer: Offer, kind: str) -> list[str]:
    """What is wrong with an offer's own schema, a sentence each; empty when it can be used."""
    schema = offer.schema
    if not is_plain(schema) and (fault := _not_a_schema(schema)):
        return [fault]
    faults = list(_faults_inside(schema, schema))
    if faults:
        return faults
    if kind in ("executor", "layer"):
        return _claims(offer, kind)
    if kind == "health_check" and offer.name in {*HEALTH, *OLDER_HEALTH_KEYS}:
        return [f"a health check can't be called '{offer.name}': it is a key of every health check"]
    return []


def _faults_inside(value: Any, root: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _faults_inside(item, root)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str) and (not item.startswith("#") or resolve(item, root) is None):
                yield f"its schema refers to '{item}', which is not in it"
            yield from _faults_inside(item, root)


def _claims(offer: Offer, kind: str) -> list[str]:
    schema = offer.schema
    if schema.get("type") != "object":
        return ["its schema must have `type: object`: its keys stand beside core's"]
    core = CORE_KEYS if kind == "executor" else frozenset({"type"})
    if kind == "executor" and Capability.COMMAND in offer.capabilities:
        core |= set(COMMAND)
    parts = list(alternatives(schema, schema))
    claimed = known_keys(parts) & core
    for part in parts:
        claimed |= {key for pattern in part.get("patternProperties", {}) for key in core if re.search(pattern, key)}
    faults = [f"its schema claims '{key}', which is core's" for key in sorted(claimed)]
    if any(schema.get(word, False) is not False for word in ("additionalProperties", "unevaluatedProperties")):
        faults.append("its schema takes any key, and so claims core's: name the keys, or put free ones under a key of your own")
    return faults
