"""The env layer changes values, never the argv."""

from __future__ import annotations

import pytest

from harness_core.contracts import Command
from harness_plugin_layers.env import EnvLayer

BEFORE = Command(argv=("program", "an argument"), env={"PATH": "/bin", "A": "1", "B": "2"}, cwd="/tmp")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {"PATH": "/bin", "A": "1", "B": "2"}),
        ({"set": {"A": "other", "C": 3}}, {"PATH": "/bin", "A": "other", "B": "2", "C": "3"}),
        ({"unset": ["A", "NOT_THERE"]}, {"PATH": "/bin", "B": "2"}),
        ({"clear": True}, {}),
        ({"clear": True, "set": {"C": ""}}, {"C": ""}),
        ({"unset": ["A"], "set": {"A": "set wins"}}, {"PATH": "/bin", "A": "set wins", "B": "2"}),
    ],
)
def test_the_environment_is_edited_and_all_else_stays(config, expected):
    after = EnvLayer().wrap(BEFORE, config)

    assert dict(after.env) == expected
    assert (after.argv, after.cwd, after.prologue) == (BEFORE.argv, BEFORE.cwd, BEFORE.prologue)
    assert BEFORE.env["A"] == "1"  # values are frozen: the original is untouched


def test_a_description_shows_names_and_no_values():
    text = EnvLayer().describe({"set": {"API_TOKEN": "hunter2"}, "unset": ["LANG"]})

    assert text == "with API_TOKEN; without LANG"
