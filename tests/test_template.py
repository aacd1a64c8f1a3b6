"""References and dollars in texts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_core.template import Reference, escape, references, render


def shout(reference: Reference) -> str:
    return str(reference).upper()


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("plain", "plain"), ("$$", "$"), ("$$$$", "$$"), ("$HOME", "$HOME"), ("${db.port}", "${DB.PORT}"),
        ("$${db.port}", "${db.port}"), ("$$${db.port}", "$${DB.PORT}"), ("${db.url.http}/x", "${DB.URL.HTTP}/x"),
        ("${my.db.host}", "${MY.DB.HOST}"), ("${db.color}", "${db.color}"), ("${}", "${}"),
        ("a${db.ip}b${db.ip}", "a${DB.IP}b${DB.IP}"),
    ],
)  # fmt: skip
def test_what_a_text_becomes(text: str, rendered: str) -> None:
    assert render(text, shout) == rendered


def test_a_dotted_name_belongs_to_the_service() -> None:
    assert list(references("${my.db.port.http}")) == [Reference("my.db", "port", "http")]


def test_references_are_found_in_keys_and_depths() -> None:
    value = {"${a.port}": [1, {"x": ("${b.url}", None)}], "y": True}

    assert [r.service for r in references(value)] == ["a", "b"]
    assert render(value, lambda r: r.service) == {"a": [1, {"x": ["b", None]}], "y": True}


def test_what_resolving_raises_goes_through() -> None:
    def fail(reference: Reference) -> str:
        raise KeyError(reference.service)

    with pytest.raises(KeyError, match="db"):
        render("${db.port}", fail)


@given(st.text(alphabet="${}db.port$a", max_size=30))
def test_what_is_escaped_renders_to_itself(text: str) -> None:
    def nobody(reference: Reference) -> Any:
        raise AssertionError(reference)

    assert list(references(escape(text))) == []
    assert render(escape(text), nobody) == text
