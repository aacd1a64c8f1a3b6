"""The quick look at a request says what jsonschema says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from harness_core.daemon.fits import compiled
from harness_core.daemon.requests import params_schema
from harness_core.protocol import METHODS

WORDS = sorted({name for method in METHODS.values() for name in (*method.fields, *params_schema(method)["properties"])})
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 2.0]) | st.sampled_from(["", "a", "b"])
NAMES = st.sampled_from(["a", "path", "text"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
FEW = settings(max_examples=25, deadline=None)
BUNDLE = {
    "files": [{"path": "/x", "text": "", "error": None}], "env_files": {}, "variables": {}, "environment": {}, "project": None,
    "strict": False, "home": "/",
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@FEW
@given(wrong=st.dictionaries(st.sampled_from([*WORDS, "unknown"]), VALUES, max_size=3), left_out=st.sampled_from([*WORDS, ""]))
def test_params_fit_exactly_when_jsonschema_says_so(method, wrong, left_out):
    schema = params_schema(METHODS[method])
    right = {name: BUNDLE if name == "bundle" else _example(part) for name, part in schema["properties"].items()}
    params = {name: value for name, value in {**right, **wrong}.items() if name != left_out}

    assert compiled(schema)(params) == Draft202012Validator(schema).is_valid(params)


@pytest.mark.parametrize("part", ["files", "env_files", "variables", "strict", "home", "project"])
@FEW
@given(value=VALUES)
def test_bundles_fit_exactly_when_jsonschema_says_so(part, value):
    schema = params_schema(METHODS["config.apply"])
    params = {"bundle": {**BUNDLE, part: value}}

    assert compiled(schema)(params) == Draft202012Validator(schema).is_valid(params)


def test_what_is_right_fits():
    for method in METHODS.values():
        schema = params_schema(method)
        right = {name: BUNDLE if name == "bundle" else _example(part) for name, part in schema["properties"].items()}

        assert compiled(schema)(right), method


def test_a_keyword_that_is_not_known_is_no_silent_yes():
    with pytest.raises(ValueError, match="pattern"):
        compiled({"type": "string", "pattern": "^a"})


def _example(part):
    kinds = {"string": "a", "integer": 1, "number": 0.5, "boolean": True, "null": None, "array": [], "object": {}}
    return kinds[(part["anyOf"][0] if "anyOf" in part else part)["type"]]
