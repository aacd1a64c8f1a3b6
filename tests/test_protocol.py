from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from harness_core.protocol import (
    METHODS,
    CancelRequest,
    ReadLogs,
    Role,
    StartServices,
    SubscribeEvents,
    request_frame,
    request_of,
    schema_of,
)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_request_has_a_schema_that_its_own_params_pass(method):
    kind = METHODS[method]
    schema = schema_of(kind)
    Draft202012Validator.check_schema(schema)
    values = {
        "project": "shop", "service": "api", "signal": "TERM", "bundle": {}, "id": 1, "session": 1, "data": None,
        "rows": 24, "columns": 80, "command": ("true",),
    }  # fmt: skip
    request = kind(**{name: values[name] for name in kind.required})

    params = json.loads(json.dumps(request.params()))

    Draft202012Validator(schema).validate(params)
    assert request_of(method, params) == request


@pytest.mark.parametrize("method", sorted(METHODS))
def test_no_request_takes_a_field_that_it_does_not_know(method):
    assert schema_of(METHODS[method])["additionalProperties"] is False


def test_lists_on_the_wire_are_tuples_in_the_value():
    request = request_of("services.start", {"project": "shop", "services": ["api", "db"], "timeout": 5})

    assert request == StartServices(project="shop", services=("api", "db"), timeout=5)


def test_a_request_is_a_value():
    request = StartServices(project="shop")

    with pytest.raises(AttributeError, match="project"):
        request.project = "other"
    with pytest.raises(TypeError, match="missing: project, servces"):
        StartServices(servces=("api",))
    assert request.but(wait=False) == StartServices(project="shop", wait=False) != request
    assert request.project == "shop"


def test_mappings_stay_mappings():
    request = ReadLogs(project="shop", cursors={"api": "c1"})

    assert request_of("logs.read", json.loads(json.dumps(request.params()))) == request


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (StartServices, {}), (StartServices, {"project": None}), (StartServices, {"project": "x", "services": "api"}),
        (StartServices, {"project": "x", "wait": 1}), (ReadLogs, {"project": "x", "cursors": {"api": 5}}),
        (SubscribeEvents, {"after": "5"}), (CancelRequest, {"id": "1"}),
    ],
)  # fmt: skip
def test_values_of_another_type_do_not_pass(kind, params):
    assert not Draft202012Validator(schema_of(kind)).is_valid(params)


def test_methods_are_named_after_what_they_are_about_and_change_nothing_for_readers():
    assert all(name == kind.method and name.count(".") == 1 for name, kind in METHODS.items())
    assert {name for name, kind in METHODS.items() if kind.role is not Role.READ} == {
        "services.start", "services.stop", "services.restart", "services.signal", "services.attach", "services.stdin",
        "services.resize", "exec.open", "exec.write", "exec.resize", "exec.signal", "exec.close", "config.apply", "daemon.stop",
        "daemon.upgrade", "daemon.logs",
    }  # fmt: skip


def test_a_request_on_the_wire_is_json_rpc():
    assert request_frame(3, CancelRequest(id=2)) == {
        "jsonrpc": "2.0", "id": 3, "method": "request.cancel", "params": {"id": 2},
    }  # fmt: skip


def test_the_page_about_the_protocol_says_what_the_code_does():
    script = Path(__file__).parents[1] / "scripts" / "make-protocol-docs"

    done = subprocess.run([sys.executable, str(script), "--check"], check=False, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
