from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harness_core.config.core_keys import COMMAND, HEALTH, LOGS, RESTART, SERVICE, TOP
from harness_core.config.problem import InvalidConfig
from harness_core.config.schema import check_offer_schema, merged_schema
from harness_core.contracts.offer import Capability, Offer


def offer(schema: Any, name: str = "x", capabilities: frozenset[Capability] = frozenset()) -> Offer:
    return Offer(name, "", lambda context: None, schema, capabilities)


def test_the_merged_schema_is_a_json_schema(catalog: Any) -> None:
    schema = merged_schema(catalog)

    Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema
    service = schema["$defs"]["service"]
    assert service["unevaluatedProperties"] is False
    assert service["properties"]["type"]["enum"] == ["box", "container", "process", "watched"]


# What can be wrong by shape alone; conditions between keys and services are beyond JSON Schema.
SERVICES = [
    "{type: process, command: x}",
    "{type: process, command: [x, 5, true]}",
    "{type: process, comand: x}",
    "{type: process, command: x, image: y}",
    "{type: container, image: y}",
    "{type: box, image: y, weight: 5}",
    "{type: container, image: y, command: x}",
    "{type: container}",
    "{type: container, image: y, pull: sometimes}",
    "{type: container, image: y, mounts: [{to: a}]}",
    "{type: container, image: y, mounts: [{too: a}]}",
    "{type: nonsense}",
    "{command: x}",
    "{type: process, command: x, x-free: {a: b}}",
    "{type: process, command: x, env: {A: 5, B: true}}",
    "{type: process, command: x, env: {A: {secret: x}}}",
    "{type: process, command: x, env: {A: [x]}}",
    "{type: process, command: x, env: {A: {secrt: x}}}",
    "{type: process, command: x, restart: always}",
    "{type: process, command: x, restart: sometimes}",
    "{type: process, command: x, restart: {policy: 'no', window: 5}}",
    "{type: process, command: x, restart: {polcy: 'no'}}",
    "{type: process, command: x, stop: {timeout: 1m30s}}",
    "{type: process, command: x, stop: {timeout: soon}}",
    "{type: process, command: x, limits: {memory: 64MiB, cpu: 1}}",
    "{type: process, command: x, limits: {memory: lots}}",
    "{type: process, command: x, ports: [80, '80:81', {port: auto, name: y}]}",
    "{type: process, command: x, ports: [{nam: y}]}",
    "{type: process, command: x, layers: [{type: sudo, user: root}]}",
    "{type: process, command: x, layers: [{type: sudo, usr: root}]}",
    "{type: process, command: x, layers: [{type: doas}]}",
    "{type: process, command: x, health_check: {tcp: 80, interval: 5s}}",
    "{type: process, command: x, health_check: {tcp: 80, intrval: 5s}}",
    "{type: process, command: x, health_check: {interval: 5s}}",
    "{type: process, command: x, oneshot: true}",
    "{type: process, command: x, oneshot: 5}",
    "{type: process, command: x, startup_timeout: 0}",
    "{type: process, command: x, inherit_env: [A]}",
    "{type: process, command: x, inherit_env: true}",
    "{type: process, command: x, inherit_env: A}",
    "{type: process, command: x, logs: {keep: 0}}",
    "{type: process, command: x, dependencies: []}",
    "{type: process, command: x, replicas: 2}",
    "5",
    "[]",
]


@pytest.mark.parametrize("service", SERVICES)
def test_editors_and_validation_agree(catalog: Any, parsed: Any, service: str) -> None:
    import yaml

    text = f"services: {{a: {service}}}"
    accepted = Draft202012Validator(merged_schema(catalog)).is_valid(yaml.safe_load(text))
    problems: tuple[Any, ...] = ()
    try:
        parsed(text)
    except InvalidConfig as invalid:
        problems = invalid.problems

    assert accepted is not bool(problems), problems


def test_every_core_key_has_a_description_and_an_example_or_default() -> None:
    for table in (TOP, SERVICE, COMMAND, HEALTH, RESTART["properties"], LOGS["properties"]):
        for key, schema in table.items():
            assert schema.get("description"), key
            assert {"default", "examples", "enum"} & set(schema) or key in ("services", "shutdown_timeout"), key


def test_defaults_in_the_schema_are_those_that_are_used(parsed: Any) -> None:
    bare = parsed("services: {a: {type: process, command: x, health_check: {tcp: 1}}}").project.services["a"]
    written = {key: schema["default"] for key, schema in SERVICE.items() if "default" in schema}
    written["stop"] = {"timeout": "10s"}
    written["restart"] = {key: schema["default"] for key, schema in RESTART["properties"].items()}
    written["logs"] = {key: schema["default"] for key, schema in LOGS["properties"].items()}
    health = {key: schema["default"] for key, schema in HEALTH.items()}
    service = {**written, "type": "process", "command": "x", "working_dir": ".", "health_check": {"tcp": 1, **health}}
    full = parsed(json.dumps({"settings": TOP["settings"]["default"], "services": {"a": service}})).project.services["a"]

    assert full.block == bare.block


@pytest.mark.parametrize("key", sorted({**SERVICE, "profiles": 0, "replicas": 0}))
def test_an_executor_may_not_claim_a_core_key(key: str) -> None:
    faults = check_offer_schema(offer({"type": "object", "properties": {key: {}}}), "executor")

    assert faults == [f"its schema claims '{key}', which is core's"]


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ({"type": "string"}, "its schema must have `type: object`: its keys stand beside core's"),
        ({"type": "objekt"}, "its schema is not a JSON Schema: at type: 'objekt' is not valid under any of the given schemas"),
        ({"type": "object", "allOf": [{"properties": {"env": {}}}]}, "its schema claims 'env', which is core's"),
        ({"type": "object", "patternProperties": {"^restart$": {}}}, "its schema claims 'restart', which is core's"),
        ({"type": "object", "additionalProperties": True}, "its schema takes any key"),
        (
            {"type": "object", "properties": {"a": {"$ref": "#/$defs/no"}}},
            "its schema refers to '#/$defs/no', which is not in it",
        ),
        ({"type": "object", "$ref": "https://example.com/x"}, "its schema refers to 'https://example.com/x', which is not in it"),
        (
            {"type": "object", "properties": {"a": {"pattern": "("}}},
            "its schema is not a JSON Schema: at properties/a/pattern: '(' is not a 'regex'",
        ),
    ],
)
def test_schemas_that_can_not_be_used(schema: Any, fault: str) -> None:
    faults = check_offer_schema(offer(schema), "executor")

    assert faults
    assert faults[0].startswith(fault)


def test_command_keys_are_core_s_only_where_core_builds_the_command() -> None:
    schema = {"type": "object", "properties": {"command": {"type": "string"}}}

    assert check_offer_schema(offer(schema), "executor") == []
    assert check_offer_schema(offer(schema, capabilities=frozenset({Capability.COMMAND})), "executor") != []


def test_layers_and_checks_have_rules_of_their_own() -> None:
    assert check_offer_schema(offer({"type": "object", "properties": {"type": {}}}), "layer") != []
    assert check_offer_schema(offer({"type": "object", "properties": {"env": {}}}), "layer") == []
    assert check_offer_schema(offer({"type": ["string", "integer"]}), "health_check") == []
    assert check_offer_schema(offer({}, name="interval"), "health_check") != []
    assert check_offer_schema(offer({"type": "object"}), "registry_backend") == []


def test_our_plugins_can_be_used() -> None:
    from harness_core.plugins import discover

    catalog = discover()

    assert {"process", "process-attach"} <= set(catalog.executors)
    Draft202012Validator.check_schema(merged_schema(catalog))
