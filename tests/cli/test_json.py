"""`--json` on every command: whatever goes wrong, standard output is one JSON object that says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from harness_core.cli.failures import ExitCode
from harness_core.cli.lazy import LazyGroup
from harness_core.cli.main import ALIASES, cli, main

ASK_NOBODY = {"version", "schema", "plugins", "completion", "api", "doctor"}
"""Commands that need neither a configuration nor a daemon: only their command line can be wrong."""


def commands(group: LazyGroup = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, LazyGroup):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = {" ".join(path): command for path, command in commands()}


def words_for(path: str) -> list[str]:
    """What the command must at least be given."""
    words: list[str] = []
    for param in ALL[path].params:
        if isinstance(param, click.Argument) and param.required:
            words.append(param.type.choices[0] if isinstance(param.type, click.Choice) else "api")
    return [*words, "--", "true"] if path == "exec" else words


@pytest.fixture
def nowhere(tmp_path, monkeypatch) -> Path:
    """A folder without a configuration, and a state directory that is open to others, so that no daemon can be asked."""
    folder, state = tmp_path / "empty", tmp_path / "state"
    folder.mkdir()
    state.mkdir(mode=0o755)
    (state / "daemon.json").write_text("{}")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HARNESS_STATE_DIR", str(state))
    return folder


def failure(capsys, code: int) -> dict[str, object]:
    """The one error on standard output."""
    out = capsys.readouterr().out
    assert out.count("\n") == 1, out
    answer = json.loads(out)
    assert list(answer) == ["error"]
    error = answer["error"]
    assert {"kind", "message", "hint"} <= set(error)
    assert error["kind"] != "internal", error
    assert code != ExitCode.REACHED
    return dict(error)


@pytest.mark.parametrize("path", [*ALL, *ALIASES])
def test_a_wrong_option_is_a_usage_error_in_json(nowhere, capsys, path):
    code = main([*path.split(), "--json", "--no-such-option"])

    assert failure(capsys, code)["kind"] == "usage"
    assert code == ExitCode.USAGE


@pytest.mark.parametrize("path", sorted(set(ALL) - ASK_NOBODY))
def test_what_can_not_be_carried_out_is_an_error_in_json(nowhere, capsys, path):
    code = main([*path.split(), "--json", *words_for(path)])

    assert failure(capsys, code)["kind"] in ("config.not-found", "state.insecure")


@pytest.mark.parametrize("path", sorted(path for path in ALL if " " not in path and path not in ASK_NOBODY))
def test_a_configuration_with_errors_is_an_error_in_json_or_does_not_matter(nowhere, capsys, path):
    (nowhere / "services.yaml").write_text("services: { api: { type: process, comand: x } }\n")

    code = main([*path.split(), "--json", *words_for(path)])

    error = failure(capsys, code)
    assert error["kind"] in ("config.invalid", "state.insecure")
    if error["kind"] == "config.invalid":
        assert error["problems"]


@pytest.mark.parametrize("words", [["nonsense"], ["daemon", "nonsense"], ["registry", "--json", "lst"], ["logs", "--tail", "-1"]])
def test_words_that_mean_nothing_are_a_usage_error_in_json(nowhere, capsys, words):
    code = main([*words, "--json"])

    assert failure(capsys, code)["kind"] == "usage"


@pytest.mark.parametrize("path", sorted(ASK_NOBODY - {"api"}))
def test_what_asks_nobody_answers_with_one_object(nowhere, capsys, path):
    code = main([*path.split(), "--json", *words_for(path)])

    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert isinstance(json.loads(out), dict)
    # The doctor does find something wrong here.
    assert code == (ExitCode.NOT_REACHED if path == "doctor" else ExitCode.REACHED)


@pytest.mark.parametrize("path", ["validate", "config", "graph", "schema"])
def test_what_is_offline_works_where_no_daemon_can(nowhere, capsys, path):
    (nowhere / "services.yaml").write_text(
        "services: { api: { type: process, command: [x, hunter22], env: { API_KEY: hunter22 } } }\n"
    )

    code = main([path, "--json"])

    out = capsys.readouterr().out
    assert code == ExitCode.REACHED
    assert out.count("\n") == 1
    assert isinstance(json.loads(out), dict)
    assert "hunter22" not in out
