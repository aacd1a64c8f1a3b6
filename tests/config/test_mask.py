from __future__ import annotations

import pytest

from harness_core.mask import MASK, is_secret_name, mask, mask_line, worth_masking


def test_secrets_are_replaced_everywhere_the_longest_first() -> None:
    value = {"a": ["x hunter2 y", {"hunter2": "hunter2-long"}], "n": 5, "none": None}

    assert mask(value, {"hunter2", "hunter2-long"}) == {"a": [f"x {MASK} y", {MASK: MASK}], "n": 5, "none": None}
    assert mask("a.c abc", {"a.c"}) == f"{MASK} abc"
    assert mask("nothing", set()) == "nothing"
    assert mask("nothing", {""}) == "nothing"


def test_in_environments_names_count() -> None:
    value = {"env": {"DB_PASSWORD": "x", "EMPTY_TOKEN": "", "PORT": "80"}, "labels": {"key": "x"}}

    assert mask(value, ()) == {"env": {"DB_PASSWORD": MASK, "EMPTY_TOKEN": "", "PORT": "80"}, "labels": {"key": "x"}}


@pytest.mark.parametrize(
    ("name", "secret"), [("DB_PASSWORD", True), ("apiToken", True), ("client_secret", True), ("SSH_KEY", True), ("PORT", False)]
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


@pytest.mark.parametrize(
    ("value", "worth"), [("hunter2", True), ("abc", False), ("true", False), ("3600", False), ("12345678", True), ("", False)]
)
def test_values_that_would_blot_out_everything_are_left(value: str, worth: bool) -> None:
    assert worth_masking(value) is worth


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  DB_PASSWORD: hunter2", f"  DB_PASSWORD: {MASK}"),
        ("env: { API_TOKEN: 'a b' }", f"env: {{ API_TOKEN: {MASK}"),
        ('"secret": x', f'"secret": {MASK}'),
        ("MY_KEY=x", f"MY_KEY={MASK}"),
        ("key words", "key words"),
    ],
)
def test_lines_lose_what_follows_a_secret_name(line: str, shown: str) -> None:
    assert mask_line(line) == shown
