"""The command line itself: what is understood, what is refused, and how."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from harness_core import __version__
from harness_core.cli import main as main_module
from harness_core.cli.main import main

GOOD = "version: '1.0'\nname: shop\nservices:\n  api: {type: process, command: [sleep, '1']}\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "services.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_ctrl_c_while_modules_are_imported_shows_no_traceback(tmp_path):
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n")

    done = subprocess.run(
        [sys.executable, "-m", "harness_core", "--help"], env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["statsu"], "did you mean 'status'"),
        (["daemon", "statu"], "did you mean 'status' or 'start'?"),
        (["xyzzy"], "harness --help lists them"),
        (["logs", "--tial", "3"], "--tail"),
        (["stop", "--timeout", "soon"], "harness stop --help"),
        (["why"], "harness why --help"),
        (["daemon", "start", "--listen", "nonsense"], "not HOST:PORT"),
        (["daemon", "start", "--listen", "localhost:99999"], "not HOST:PORT"),
        (["daemon"], "harness daemon --help"),
        (["start", "--profile", "debug", "api"], "a service that is named starts whatever its profiles"),
        (["apply", "--profile", " "], "harness apply --help"),
    ],
)
def test_a_wrong_command_line_is_answered_with_a_hint_and_2(capsys, arguments, hint):
    assert main(arguments) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error[usage]: ")
    assert hint in err


def test_a_wrong_command_line_with_json_is_answered_in_json(capsys):
    assert main(["statsu", "--json"]) == 2

    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["error"] == {
        "kind": "usage",
        "message": "no command 'statsu'",
        "hint": "did you mean 'status' or 'start'?",
    }


@pytest.mark.parametrize("arguments", [["--json", "version"], ["version", "--json"]])
def test_global_options_stand_before_or_after_the_command(capsys, arguments):
    assert main(arguments) == 0

    assert json.loads(capsys.readouterr().out)["version"] == __version__


@pytest.mark.parametrize("flag", ["-f", "-c", "--file", "--config"])
def test_the_configuration_may_be_named_by_all_of_its_flags(project, capsys, flag):
    (project / "other.yaml").write_text(GOOD.replace("shop", "other"))

    assert main(["validate", flag, "other.yaml", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["name"] == "other"


def test_several_files_add_up_before_and_after_the_command_and_the_later_one_wins(project, capsys):
    (project / "b.yaml").write_text("description: b\nservices: { api: { env: { A: b, B: b } } }\n")
    (project / "c.yaml").write_text("services: { api: { env: { B: c } } }\n")

    assert main(["-f", "services.yaml", "-f", "b.yaml", "config", "-f", "c.yaml", "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["description"] == "b"
    assert shown["services"]["api"]["env"] == {"A": "b", "B": "c"}


def test_a_mistake_in_the_second_file_is_shown_with_its_line(project, capsys):
    (project / "b.yaml").write_text("services:\n  api:\n    oneshto: true\n")

    assert main(["validate", "-f", "services.yaml", "-f", "b.yaml"]) == 3

    told = f"{project / 'b.yaml'}:3:5: error: unknown key 'oneshto' (did you mean 'oneshot'?)"
    assert told in capsys.readouterr().out


def test_the_later_one_of_two_settings_wins(project, capsys):
    assert main(["-p", "one", "validate", "-p", "two", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["project"] == "two"


def test_it_works_from_a_subfolder(project, capsys, monkeypatch):
    (project / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(project / "deep" / "er")

    assert main(["validate", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["name"] == "shop"


def test_without_arguments_the_help_is_shown(capsys):
    assert main([]) == 0

    assert "Commands:" in capsys.readouterr().out


def test_help_is_shown_with_examples(capsys):
    assert main(["status", "--help"]) == 0

    out = capsys.readouterr().out
    assert "Examples:\n  harness status" in out
    assert "Options of every command:" in out


def test_the_version_in_three_voices(capsys):
    main(["version"])
    main(["version", "-q"])
    main(["--version"])

    spoken, number, option = capsys.readouterr().out.splitlines()
    assert spoken.startswith(f"harness {__version__} (plugin API ")
    assert number == __version__
    assert option == f"harness {__version__}"


def test_a_bug_is_short_on_the_terminal_and_whole_in_a_file(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(main_module.cli, "get_command", lambda *_: 1 / 0)

    assert main(["status"]) == 70

    err = capsys.readouterr().err
    assert err.startswith("error[internal]: a bug in harness: ZeroDivisionError: division by zero\n")
    assert "Traceback" not in err
    (details,) = tmp_path.glob("harness-error-*.txt")
    assert str(details) in err
    assert "Traceback" in details.read_text()
    assert details.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_quiet(project, unbuffered):
    services = "".join(f"  s{n}: {{type: process, command: [sleep, '1']}}\n" for n in range(1000))
    (project / "services.yaml").write_text("version: '1.0'\nservices:\n" + services)
    reading, writing = os.pipe()
    command = subprocess.Popen(
        [sys.executable, "-m", "harness_core", "config"],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=project,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    os.close(writing)
    os.read(reading, 10)
    os.close(reading)

    _, err = command.communicate(timeout=60)

    assert command.returncode == 141
    assert err == b""


@pytest.mark.parametrize(
    ("environ", "arguments", "coloured"),
    [
        ({"FORCE_COLOR": "1"}, [], True),
        ({}, [], False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, [], False),
        ({"FORCE_COLOR": "1"}, ["--no-color"], False),
    ],
)
def test_colours_follow_the_conventions(tmp_path, environ, arguments, coloured):
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    done = subprocess.run(
        [sys.executable, "-m", "harness_core", "statsu", *arguments],
        capture_output=True,
        env={**clean, **environ},
        cwd=tmp_path,
        check=False,
    )

    assert (b"\x1b[" in done.stderr) is coloured


def test_validate_shows_one_record_a_line_in_a_pipe(project, capsys):
    (project / "services.yaml").write_text(GOOD + "  db: {type: proces}\n  web: {type: process, comand: x}\n")

    assert main(["validate"]) == 3

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{project}/services.yaml:5:")
    assert lines[-1].startswith(f"{project}/services.yaml:6:")
    assert "(did you mean 'command'?)" in "\n".join(lines)


def test_config_shows_what_was_understood_and_masks_secrets(project, capsys):
    (project / "services.yaml").write_text(GOOD.replace("}", ", env: {DB_PASSWORD: hunter2hunter2}}"))

    assert main(["config"]) == 0

    out = capsys.readouterr().out
    assert "hunter2" not in out
    assert "DB_PASSWORD" in out


def test_schema_is_a_schema(capsys):
    assert main(["schema"]) == 0

    assert json.loads(capsys.readouterr().out)["$schema"].endswith("2020-12/schema")
