"""What is called plainly right, jsonschema calls right too."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from harness_core.config.plain import _RIGHT, is_plain
from harness_core.plugins import discover

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.just(0.5) | st.sampled_from(["object", "string", "a", "["]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*_RIGHT, "$ref", "a"]), inner, max_size=3),
)


def is_right(schema) -> bool:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return False
    return True


@pytest.mark.parametrize("keyword", _RIGHT)
@settings(max_examples=40, deadline=None)
@given(value=VALUES)
def test_a_keyword_with_a_wrong_value_is_never_plain(keyword, value):
    schema = {keyword: value}

    assert is_right(schema) or not is_plain(schema)


@pytest.mark.parametrize("schema", [{"$ref": "#/x"}, {"unknown": 1}, [], "object", {"type": "thing"}, {"required": ["a", "a"]}])
def test_what_is_not_known_here_is_not_plain(schema):
    assert not is_plain(schema)


def test_the_schemas_of_our_own_plugins_are_plain():
    catalog = discover()
    offers = [*catalog.executors.values(), *catalog.layers.values(), *catalog.health_checks.values()]

    assert offers
    assert [offer.name for offer in offers if not is_plain(dict(offer.schema))] == []
