"""Environment and working directory survive a border, byte for byte, in every shell at hand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from harness_core.contracts import Command, ConfigError
from harness_plugin_layers import crossing
from harness_plugin_layers.crossing import behind_shell, shell_line

SHOW = "import json, os, sys; print(json.dumps([dict(os.environ), os.getcwd(), sys.argv[1:], sys.stdin.read()]))"

HOSTILE = {
    "EMPTY": "",
    "SPACES": "  a  b ",
    "DOLLAR": "$HOME ${HOME} $(id) `id`",
    "QUOTES": "it's \"quoted\" \\ \\n",
    "NEWLINES": "\nfirst\n\nlast\n\n",
    "DASH": "-n",
    "ACCENTS": "é ā Ă 日本",
    "CONTROL": "\x01\x7f\x1b[31m\r\t",
    "GLOB": "* ? [a]",
    "n": "the helper's\nown name",
    "l": "the reader's own name",
    "IFS": ":",
}

SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize("tty", [False, True], ids=["prologue", "argument"])
def test_hostile_values_arrive_intact(tmp_path, shell, tty):
    cwd = tmp_path / "it's a\nfolder"
    cwd.mkdir()
    command = Command(argv=(sys.executable, "-c", SHOW, "", "-x", "a b"), env=HOSTILE, cwd=str(cwd), stdin=True, tty=tty)

    wrapped = behind_shell(command, env=HOSTILE)
    done = subprocess.run(
        [*shell, *wrapped.argv[1:]], input=wrapped.prologue + b"own\ninput", capture_output=True, env={}, timeout=20, check=True
    )
    env, where, arguments, stdin = json.loads(done.stdout)

    assert {name: env.get(name) for name in HOSTILE} == HOSTILE
    assert where == str(cwd)
    assert arguments == ["", "-x", "a b"]
    assert stdin == "own\ninput"
    assert dict(wrapped.env) == {}
    assert wrapped.cwd is None


def test_no_value_stands_in_an_argv_unless_there_is_a_terminal():
    command = Command(argv=("program",), env={"API_TOKEN": "hunter2"})

    assert "hunter2" not in " ".join(behind_shell(command, env=command.env).argv)


def test_the_outer_prologue_is_read_first(tmp_path):
    inner = behind_shell(Command(argv=(sys.executable, "-c", SHOW), env={"A": "inner"}), env={"A": "inner"})
    outer = behind_shell(inner, env={"A": "outer", "B": "outer"})

    done = subprocess.run(outer.argv, input=outer.prologue, capture_output=True, env={}, timeout=20, check=True)

    env = json.loads(done.stdout)[0]
    assert (env["A"], env["B"]) == ("inner", "outer")


def test_the_program_is_looked_up_on_the_carried_path(tmp_path):
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    wrapped = behind_shell(Command(argv=("only-here",)), env={"PATH": f"{tmp_path}:/usr/bin:/bin"})

    done = subprocess.run(wrapped.argv, input=wrapped.prologue, capture_output=True, env={}, timeout=20, check=True)

    assert done.stdout == b"found\n"


def test_a_missing_working_directory_ends_it_before_the_program_runs():
    wrapped = behind_shell(Command(argv=("echo", "ran"), cwd="/nowhere at all"), env={})

    done = subprocess.run(wrapped.argv, input=wrapped.prologue, capture_output=True, timeout=20, check=False)

    assert done.returncode != 0
    assert done.stdout == b""
    assert b"/nowhere at all" in done.stderr


def test_a_name_that_no_shell_can_carry_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"'foo\.bar' can't be carried"):
        shell_line({"foo.bar": "1"}, None)


def test_nothing_to_carry_is_a_line_that_does_nothing():
    assert shell_line({}, None) == ":"
    assert crossing.SHELL == "/bin/sh"
