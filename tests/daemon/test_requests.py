from __future__ import annotations

import json

import pytest

from harness_core.daemon import requests
from harness_core.daemon.refusal import Refusal
from harness_core.protocol import MAX_FRAME, METHODS, Role, StartServices, ValidateConfig, request_frame

BUNDLE = {
    "files": [{"path": "/x/services.yaml", "text": "", "error": None}], "env_files": {}, "variables": {}, "environment": {},
    "project": None, "strict": False, "home": "/",
}  # fmt: skip


def refused(text: str, role: Role = Role.ADMIN) -> Refusal:
    with pytest.raises(Refusal) as info:
        requests.read(text, role)
    return info.value


def frame(**fields: object) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "services.list", "params": {}} | fields)


def test_a_request_is_read_into_its_value():
    text = json.dumps(request_frame(7, StartServices(project="shop", services=("api",))))

    numbered = requests.read(text, Role.OPERATE)

    assert numbered.id == 7
    assert numbered.request == StartServices(project="shop", services=("api",))


@pytest.mark.parametrize("text", ["", "{", "nonsense", '{"id": NaN}', '{"id": Infinity}', "1" * 5000])
def test_what_is_not_json_is_refused(text):
    assert refused(text).kind in ("request.unreadable", "request.malformed")
    assert refused(text).id is None


@pytest.mark.parametrize("text", ["[" * 500 + "]" * 500, '{"a":' * 500 + "1" + "}" * 500, "[" * (MAX_FRAME // 2)])
def test_json_nested_500_deep_is_refused_without_a_crash(text):
    assert refused(text).kind in ("request.too-deep", "request.unreadable")


def test_the_depth_is_bounded_at_64_exactly():
    def nested(depth: int) -> str:
        return frame(method="config.validate", params={"bundle": json.loads("[" * depth + "]" * depth)})

    assert refused(nested(62)).kind == "request.invalid"
    assert refused(nested(63)).kind == "request.too-deep"


def test_many_brackets_in_a_text_are_not_depth():
    bundle = BUNDLE | {"files": [{"path": "/x", "text": "[" * 1000}]}

    assert isinstance(
        requests.read(frame(method="config.validate", params={"bundle": bundle}), Role.READ).request, ValidateConfig
    )


@pytest.mark.parametrize(
    "text",
    [
        "[]", f"[{frame()}]", '"x"', "null", frame(id=None), frame(id="1"), frame(id=True), frame(id=-1), frame(id=1.0),
        frame(id=2**60), frame(jsonrpc="1.0"), frame(method=7), frame(params=[]), frame(params=None), frame(extra=1),
    ],
)  # fmt: skip
def test_what_is_json_and_no_request_is_refused(text):
    assert refused(text).kind == "request.malformed"


def test_a_batch_is_refused_by_name():
    assert "batches" in refused(f"[{frame()}]").message


def test_an_unknown_method_is_refused_with_a_suggestion():
    error = refused(frame(method="services.stat"))

    assert (error.kind, error.code, error.id) == ("request.unknown-method", -32601, 1)
    assert "services.sta" in (error.hint or "")


@pytest.mark.parametrize("method", ["__class__", "handle_stop_daemon", "HANDLERS", "services.start.__call__", ""])
def test_names_from_the_wire_are_looked_up_in_the_table_alone(method):
    assert refused(frame(method=method)).kind == "request.unknown-method"


@pytest.mark.parametrize(
    "params",
    [
        {}, {"project": 5}, {"project": "shop", "services": "api"}, {"project": "shop", "services": [5]},
        {"project": "shop", "wait": "yes"}, {"project": "shop", "timeout": "1s"}, {"project": "shop", "by": "root"},
        {"project": "shop", "services": ["x"] * 10_001},
    ],
)  # fmt: skip
def test_params_that_are_not_the_methods_are_refused(params):
    error = refused(frame(method="services.start", params=params))

    assert (error.kind, error.code, error.id) == ("request.invalid", -32602, 1)
    assert len(error.message) < 500
    assert "project" in (error.hint or "")


@pytest.mark.parametrize(
    "change",
    [
        {"files": []},
        {"files": [{"path": 5}]},
        {"files": [{"text": ""}]},
        {"variables": {"A": 1}},
        {"home": None},
        {"role": "admin"},
    ],
)
def test_a_bundle_of_another_shape_is_refused(change):
    assert refused(frame(method="config.apply", params={"bundle": BUNDLE | change})).kind == "request.invalid"


@pytest.mark.parametrize("method", sorted(METHODS))
def test_each_method_takes_exactly_the_roles_from_its_own_up(method):
    needs = METHODS[method].role
    for rank, role in enumerate(Role):
        kind = refused(frame(method=method, params={"no such field": 1}), role).kind
        assert kind == ("request.invalid" if rank >= list(Role).index(needs) else "auth.role")
