"""A person has made five different mistakes, and sees all of them at once."""

from __future__ import annotations

import re

FIVE_MISTAKES = """\
version: "1.0"
name: shop
services:
  api:
    type: proces
    command: [./api]
  database:
    type: process
    comand: [./database]
  web:
    type: process
    command: [./web]
    dependencies: [databse]
    startup_timeout: soon
  worker:
    type: process
    command: [./worker]
    restart: sometimes
"""


def test_all_five_are_shown_with_their_places_and_suggestions(harness):
    path = harness.write(FIVE_MISTAKES)

    result = harness.run("validate")

    assert result.code == 3, result.text
    problems = re.split(rf"(?={re.escape(str(path))}:\d+:\d+: error: )", result.text)[1:]
    for line, word, suggestion in (
        (5, "proces", "process"),
        (9, "comand", "command"),
        (13, "databse", "database"),
        (14, "soon", "500ms"),
        (18, "sometimes", "on-failure"),
    ):
        told = [part for part in problems if part.startswith(f"{path}:{line}:")]
        assert told, f"nothing about line {line}:\n{result.text}"
        assert any(word in part for part in told), f"{word!r} is not named:\n{result.text}"
        assert any(suggestion in part for part in told), f"{suggestion!r} is not suggested:\n{result.text}"
    assert len(problems) == 5, f"each is told once:\n{result.text}"


def test_programs_get_them_as_json(harness):
    path = harness.write(FIVE_MISTAKES)

    result = harness.run("validate", "--json")

    assert result.code == 3
    error = result.json["error"]
    assert error["kind"] == "config.invalid"
    lines = {problem["position"]["line"] for problem in error["problems"] if problem["position"]}
    assert lines == {5, 9, 13, 14, 18}
    assert all(problem["position"]["file"] == str(path) for problem in error["problems"])


def test_up_starts_nothing_of_it(harness):
    harness.write(FIVE_MISTAKES)

    result = harness.run("up", "-d")

    assert result.code == 3
    assert "databse" in result.text
    assert not harness.strays()
