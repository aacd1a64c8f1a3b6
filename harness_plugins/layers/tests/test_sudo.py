"""The sudo layer, with the machine's own sudo."""

from __future__ import annotations

import json
import os
import pty
import pwd
import shutil
import subprocess
import sys

import pytest

from harness_core.contracts import Command
from harness_plugin_layers.env import EnvLayer
from harness_plugin_layers.sudo import SudoLayer

SHOW = """
import json, os, sys
print(json.dumps([os.getresuid(), os.getresgid(), dict(os.environ), os.getcwd(), sys.stdin.read()]))
"""
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable  # one that other users may execute


def run(command: Command, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    data = command.prologue + stdin
    return subprocess.run(command.argv, env=command.env, cwd=command.cwd, input=data, capture_output=True, check=True, timeout=9)


@pytest.mark.usefixtures("sudo")
def test_the_command_runs_as_the_user_with_environment_directory_and_stdin():
    nobody = pwd.getpwnam("nobody")
    carried = {"PATH": os.environ["PATH"], "A": "it's\n$HOME", "TMPDIR": "/tmp/x", "LD_LIBRARY_PATH": "/l"}
    env = {**carried, "HOME": "/root", "USER": "root"}
    command = Command(argv=(PYTHON, "-c", SHOW), env=env, cwd="/usr", stdin=True)

    done = run(SudoLayer().wrap(command, {"user": "nobody"}), b"input")

    uids, gids, seen, cwd, stdin = json.loads(done.stdout)
    assert uids == [nobody.pw_uid] * 3
    assert gids == [nobody.pw_gid] * 3
    assert {name: seen[name] for name in carried} == carried
    assert (seen["HOME"], seen["USER"]) == (nobody.pw_dir, "nobody")
    assert (cwd, stdin) == ("/usr", "input")


@pytest.mark.usefixtures("sudo")
def test_preserve_env_keeps_who_one_is():
    command = Command(argv=(PYTHON, "-c", SHOW), env={"PATH": os.environ["PATH"], "HOME": "/kept", "USER": "someone"})

    done = run(SudoLayer().wrap(command, {"user": "nobody", "preserve_env": ["HOME"]}))

    seen = json.loads(done.stdout)[2]
    assert (seen["HOME"], seen["USER"]) == ("/kept", "nobody")


@pytest.mark.usefixtures("sudo")
def test_users_and_groups_by_number():
    nobody = pwd.getpwnam("nobody")
    command = Command(argv=(PYTHON, "-c", SHOW))

    done = run(SudoLayer().wrap(command, {"user": nobody.pw_uid, "group": 12}))

    uids, gids, *_ = json.loads(done.stdout)
    assert uids == [nobody.pw_uid] * 3
    assert gids == [12] * 3


@pytest.mark.usefixtures("sudo")
def test_sudo_in_sudo_and_env_between_them():
    command = Command(argv=(PYTHON, "-c", SHOW), env={"PATH": os.environ["PATH"], "A": "1"}, cwd="/usr", stdin=True)

    inner = SudoLayer().wrap(command, {"user": "nobody"})
    middle = EnvLayer().wrap(inner, {"set": {"FOR_THE_INNER_SUDO": "x"}})
    done = run(SudoLayer().wrap(middle, {}), b"input")

    uids, _, seen, cwd, stdin = json.loads(done.stdout)
    assert uids[0] == pwd.getpwnam("nobody").pw_uid
    assert seen["A"] == "1"
    assert "FOR_THE_INNER_SUDO" not in seen  # it was the inner sudo's own environment
    assert (cwd, stdin) == ("/usr", "input")


@pytest.mark.usefixtures("sudo")
def test_with_a_terminal_nothing_is_read_from_it():
    command = Command(argv=(PYTHON, "-c", "import os; print(os.environ['A'], os.isatty(0))"), env={"A": "a b"}, tty=True)
    wrapped = SudoLayer().wrap(command, {"user": "nobody"})
    assert wrapped.prologue == b""

    ours, theirs = pty.openpty()
    done = subprocess.run(wrapped.argv, stdin=theirs, capture_output=True, timeout=20, check=True)
    os.close(ours)
    os.close(theirs)

    assert done.stdout == b"a b True\n"


@pytest.mark.usefixtures("sudo")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may signal sudo")
def test_a_signal_reaches_the_command():
    command = Command(argv=("/bin/sh", "-c", "trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.1; done"))
    layer = SudoLayer()
    wrapped = layer.wrap(command, {"user": "nobody"})
    assert "signals" in layer.passes

    with subprocess.Popen(wrapped.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(wrapped.prologue)
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.stdout.readline() == b"got it\n"
        assert process.wait(timeout=20) == 7


def test_a_daemon_that_is_not_root_does_not_claim_to_pass_signals(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert SudoLayer().passes == {"stdin", "tty"}


def test_a_command_that_names_its_user_ends_up_as_that_user():
    wrapped = SudoLayer().wrap(Command(argv=("id",), user="postgres"), {"user": "root"})

    assert wrapped.argv[:7] == ("sudo", "-n", "-H", "-u", "postgres", "--", "/bin/sh")
    assert wrapped.user is None


def test_descriptions():
    assert SudoLayer().describe({}) == "as root"
    assert SudoLayer().describe({"user": "www", "group": "docker"}) == "as www:docker"
