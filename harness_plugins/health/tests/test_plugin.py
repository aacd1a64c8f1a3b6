import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator

from harness_plugin_health.plugin import COMMAND, HTTP, LOG, TCP, harness_health_checks


@pytest.mark.parametrize("offer", harness_health_checks(), ids=lambda offer: offer.name)
def test_every_schema_is_a_schema_and_explains_each_key(offer):
    Draft202012Validator.check_schema(offer.schema)

    assert offer.schema["description"]
    assert all(key.get("description") for key in offer.schema["properties"].values())
    assert all(Draft202012Validator(offer.schema).is_valid(example) for example in offer.schema["examples"])


@pytest.mark.parametrize(
    ("offer", "config"),
    [
        (HTTP, {"url": "http://${a.host}:${a.port}/", "port": "${a.port}", "status": [200, "3xx"]}),
        (HTTP, "${a.url}/health"),
        (HTTP, {}),
        (TCP, "${a.host}:${a.port}"),
        (TCP, {"port": "${a.port}", "timeout": 5}),
        (COMMAND, {"command": "pg_isready", "args": ["-U", "postgres"]}),
        (LOG, {"pattern": "x"}),
    ],
)
def test_what_may_be_written_is_valid(offer, config):
    Draft202012Validator(offer.schema).validate(config)


@pytest.mark.parametrize(
    ("offer", "config", "message"),
    [
        (HTTP, {"prot": 1}, "'prot' was unexpected"),
        (HTTP, "localhost:80", "'localhost:80' does not match"),
        (HTTP, {"status": "ok"}, "'ok' does not match"),
        (HTTP, {"status": 42}, "42 is less than the minimum"),
        (HTTP, {"headers": {"a b": "c"}}, "'a b' does not match"),
        (HTTP, {"method": "GET /"}, "does not match"),
        (HTTP, 5, "5 is not of type 'string', 'object'"),
        (TCP, {"port": "abc"}, "'abc' does not match"),
        (TCP, 70000, "70000 is greater than the maximum"),
        (TCP, {"port": 1, "timeout": 0}, "0 is less than or equal to the minimum"),
        (COMMAND, {"args": []}, "'command' is a required property"),
        (COMMAND, {"command": ["a"], "shell": True}, "['a'] is not of type 'string'"),
        (COMMAND, [], "[] should be non-empty"),
        (LOG, "", "'' should be non-empty"),
        (LOG, {"regex": "x", "pattern": "x"}, "'regex' was unexpected"),
    ],
)
def test_a_mistake_is_named(offer, config, message):
    errors = [error.message for error in Draft202012Validator(offer.schema).iter_errors(config)]

    assert len(errors) == 1
    assert message in errors[0]


def test_core_is_told_what_a_check_takes_of_an_executor():
    assert [(offer.name, sorted(offer.capabilities)) for offer in harness_health_checks()] == [
        ("command", ["exec"]), ("http", []), ("tcp", []), ("log", ["output"]),
    ]  # fmt: skip


def test_reading_the_offers_imports_none_of_the_checks():
    code = (
        "import sys; from harness_plugin_health.plugin import harness_health_checks as h; h(); "
        "print([m for m in sys.modules if m.startswith('harness_plugin_health.') and m != 'harness_plugin_health.plugin'])"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
