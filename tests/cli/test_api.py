"""`harness api --schema`: the protocol as an OpenRPC document."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from harness_core.cli.openrpc import document
from harness_core.kinds import KINDS
from harness_core.protocol import METHODS, schema_of

DOCUMENT = document()
METHODS_IN_IT = {method["name"]: method for method in DOCUMENT["methods"]}


def resolved(reference: str) -> object:
    node: object = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        assert isinstance(node, dict), reference
        node = node[part]
    return node


def test_it_has_what_an_openrpc_document_must_have():
    assert DOCUMENT["openrpc"].split(".")[:2] == ["1", "3"]
    assert {"title", "version"} <= set(DOCUMENT["info"])
    allowed = {"openrpc", "info", "methods", "components", "servers", "externalDocs"}
    assert all(key in allowed or key.startswith("x-") for key in DOCUMENT)
    assert set(DOCUMENT["components"]) <= {"schemas", "errors"}


def test_every_method_of_the_table_is_in_it_and_no_other():
    assert list(METHODS_IN_IT) == list(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_described_as_openrpc_wants_it(name):
    method = METHODS_IN_IT[name]

    assert method["summary"]
    assert "→" not in method["summary"]
    assert method["paramStructure"] == "by-name"
    assert {"name", "schema"} <= set(method["result"])
    assert method["result"]["description"]
    required = [param["required"] for param in method["params"]]
    assert required == sorted(required, reverse=True), "optional params come after required ones"
    codes = [resolved(error["$ref"])["code"] for error in method["errors"]]
    assert len(codes) == len(set(codes)) >= 1
    known = {"name", "summary", "description", "paramStructure", "params", "result", "errors"}
    assert all(key in known or key.startswith("x-") for key in method)


@pytest.mark.parametrize("name", METHODS)
def test_its_params_are_those_that_the_daemon_checks(name):
    described = {param["name"]: param for param in METHODS_IN_IT[name]["params"]}
    checked = schema_of(METHODS[name])

    assert described.keys() == checked["properties"].keys()
    assert [key for key, param in described.items() if param["required"]] == checked["required"]
    for key, param in described.items():
        Draft202012Validator.check_schema(param["schema"])
        assert {**checked["properties"][key], **param["schema"]} == param["schema"]
        if not param["required"]:
            Draft202012Validator(param["schema"]).validate(json.loads(json.dumps(param["schema"]["default"])))


def test_every_kind_of_error_is_listed_with_its_meaning():
    schema = resolved("#/components/schemas/ErrorData")

    listed = {choice["const"]: choice["description"] for choice in schema["properties"]["kind"]["anyOf"] if "const" in choice}
    assert listed == KINDS
    Draft202012Validator(schema).validate({"kind": "project.unknown", "hint": None})
    assert not Draft202012Validator(schema).is_valid({"hint": "no kind"})


def test_the_command_prints_it_and_starts_no_daemon(harness):
    printed = harness.ok("api", "--schema")

    assert printed.json == json.loads(json.dumps(DOCUMENT)) == harness.ok("api", "--schema", "--json").json
    assert not harness.state_dir.exists()


def test_without_schema_it_says_what_to_write(harness):
    result = harness.run("api")

    assert result.code == 2
    assert "harness api --schema" in result.err
