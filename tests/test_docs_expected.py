"""docs/expected.md names what is there: twenty-five points, each with commands that exist and tests that are run."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from harness_core.cli.lazy import LazyGroup
from harness_core.cli.main import cli

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "expected.md").read_text()
POINTS = dict(re.findall(r"^## (\d+)\. .*\n([\s\S]*?)(?=^## |\Z)", TEXT, re.MULTILINE))
COMMANDS = sorted(set(re.findall(r"^\$ harness (.+)$", TEXT, re.MULTILINE)))
TESTS = sorted(set(re.findall(r"`((?:tests|harness_plugins)/[^`]+)`", TEXT)))


def test_there_are_twenty_five():
    assert [int(number) for number in POINTS] == list(range(1, 26))


@pytest.mark.parametrize("number", POINTS)
def test_a_point_has_a_command_and_a_test(number):
    assert re.search(r"^\$ harness ", POINTS[number], re.MULTILINE)
    assert re.search(r"Held by\s`", POINTS[number])


@pytest.mark.parametrize("name", TESTS)
def test_a_test_that_is_named_exists(name):
    path, _, function = name.partition("::")

    tree = ast.parse((ROOT / path).read_text())

    assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_that_is_named_exists_with_its_options(line):
    words = shlex.split(line.partition("|")[0])
    command: click.Command = cli

    while isinstance(command, LazyGroup):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found, f"there is no harness {line}"
        command = found

    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    assert {word for word in words if word.startswith("-")} <= known
