"""docs/cli.md says what the command line does: commands, options, exit codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from harness_core.cli.failures import ExitCode
from harness_core.cli.lazy import LazyGroup
from harness_core.cli.main import ALIASES, COMMANDS, cli

TEXT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def commands(group: LazyGroup = cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path}{name}", command
        if isinstance(command, LazyGroup):
            yield from commands(command, f"{path}{name} ")


ALL = dict(commands())


def section(path: str) -> str:
    found = re.search(rf"^#+ `harness {re.escape(path)}[`\s].*?(?=^#+ |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no heading for `harness {path}`"
    return found[0]


def table_of(options: list[click.Parameter]) -> str:
    """The table that docs/cli.md must hold for these options."""
    context = click.Context(click.Command("x"))
    rows = [option.get_help_record(context) for option in options if isinstance(option, click.Option)]
    cells = [(flags.replace("|", "\\|"), text.replace("|", "\\|")) for flags, text in filter(None, rows)]
    return "\n".join(["| option | |", "|---|---|", *(f"| `{flags}` | {text} |" for flags, text in cells)])


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_a_heading_and_its_options(path):
    command = ALL[path]
    own = [p for p in command.params if p not in command.everywhere and isinstance(p, click.Option)]

    if own:
        assert table_of(own) in section(path)
    else:
        assert "| option |" not in section(path)


def test_the_options_of_every_command_stand_there_once():
    assert table_of(cli.everywhere) in TEXT


@pytest.mark.parametrize("path", ALL)
def test_the_first_line_of_help_is_that_of_the_table(path):
    command = ALL[path]
    assert command.help
    groups = {name: group for name, group in ALL.items() if isinstance(group, LazyGroup)}
    tables = {**COMMANDS, **{f"{group} {name}": text for group in groups for name, text in groups[group].table.items()}}
    first = command.help.splitlines()[0]

    # One sentence in the list, perhaps more of it in the command's own help.
    assert first.startswith(tables[path].split(":")[0].split(",")[0].rstrip(".").rsplit(";")[0])


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_examples_in_its_help(path):
    assert ALL[path].examples
    assert all("harness" in example for example in ALL[path].examples)


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_an_example_on_the_page(path):
    here = [section(path), *(section(name) for name in ALL if name.startswith(f"{path} "))]

    assert any(re.search(rf"^```sh\n(?:.*\n)*?.*harness .*{path.split()[0]}", text, re.MULTILINE) for text in here)


def test_every_heading_is_a_command():
    headings = re.findall(r"^#+ `harness ([a-z ]+?)[ `]*(?:`|\[|[A-Z])", TEXT, re.MULTILINE)

    assert {heading.strip() for heading in headings} == set(ALL)


def test_aliases_are_told():
    assert all(f"`harness {alias}`" in TEXT for alias in ALIASES)


def test_every_exit_code_is_in_the_table():
    rows = re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)

    assert {int(row) for row in rows} == set(ExitCode)
