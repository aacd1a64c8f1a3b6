"""A command that can't be executed is named before anything starts, with what to do."""

from __future__ import annotations

import os

import pytest

from harness_core.contracts import Command, CommandNotFound, LaunchFailed
from harness_plugin_process.program import check_command, find_program


@pytest.fixture
def folder(tmp_path):
    def write(name: str, text: str = "#!/bin/sh\n", mode: int = 0o755) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        path.chmod(mode)
        return str(path)

    write.path = tmp_path
    return write


def refused(command: Command) -> CommandNotFound:
    with pytest.raises(CommandNotFound) as caught:
        check_command(command)
    assert caught.value.transient is False
    return caught.value


def test_a_program_is_found_on_the_commands_own_path(folder):
    program = folder("bin/worker")

    assert str(find_program("worker", search=f"/nowhere:{folder.path}/bin", cwd="/")) == program
    check_command(Command(("worker",), env={"PATH": f"{folder.path}/bin"}))


def test_a_relative_program_is_meant_from_the_working_directory(folder):
    folder("bin/worker")

    check_command(Command(("bin/worker",), cwd=str(folder.path)))
    assert "(/bin/worker)" in refused(Command(("bin/worker",), cwd="/")).message


def test_without_a_path_the_systems_default_is_searched():
    check_command(Command(("sh",)))


def test_a_missing_program_comes_with_the_nearest_name(folder):
    folder("worker")

    on_path = refused(Command(("wroker",), env={"PATH": str(folder.path)}))
    by_path = refused(Command(("./wroker",), cwd=str(folder.path)))

    assert on_path.message == f"no program 'wroker' on PATH ({folder.path})"
    assert on_path.hint == "did you mean 'worker'?"
    assert by_path.hint == f"did you mean {folder.path}/worker?"


def test_a_program_in_the_working_directory_needs_a_dot(folder):
    folder("worker")

    error = refused(Command(("worker",), env={"PATH": "/usr/bin"}, cwd=str(folder.path)))

    assert error.hint == f"the file in {folder.path} is called by `./worker`"


def test_a_file_that_may_not_be_executed(folder):
    path = folder("worker", mode=0o644)

    for command in (Command((path,)), Command(("worker",), env={"PATH": str(folder.path)})):
        error = refused(command)
        assert error.message.endswith("is not executable")
        assert error.hint == f"chmod +x {path}"


def test_a_directory_and_a_dangling_link(folder):
    os.symlink("/nowhere/at-all", folder.path / "link")

    assert "is a directory" in refused(Command((str(folder.path),))).message
    assert "link to /nowhere/at-all" in (refused(Command(("./link",), cwd=str(folder.path))).hint or "")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("#!/usr/bin/pyhton9\n", "needs the interpreter '/usr/bin/pyhton9', which does not exist", None),
        ("#!/bin/shh -e\n", "needs the interpreter '/bin/shh -e'", "did you mean"),
        ("#!/bin/sh\r\necho\r\n", "needs the interpreter '/bin/sh'", "as on Windows"),
        ("#!/usr/bin/env no-such-interpreter\n", "needs 'no-such-interpreter' to interpret it", None),
        ("#!/usr/bin/env -S no-such-interpreter -x\n", "needs 'no-such-interpreter' to interpret it", None),
        ("#!\n", "needs the interpreter ''", None),
        ("echo no first line\n", "is text without a first line", "#!/bin/sh"),
    ],
)
def test_a_script_that_nothing_can_interpret(folder, text, message, hint):
    path = folder("script", text)

    error = refused(Command((path,)))

    assert path in error.message
    assert message in error.message
    assert hint is None or hint in error.hint


@pytest.mark.parametrize("text", ["#!/bin/sh\n", "#! /bin/sh -e\n", "#!/usr/bin/env sh\n", "#!/usr/bin/env -S sh -e\n"])
def test_scripts_that_are_well(folder, text):
    check_command(Command((folder("script", text),)))


@pytest.mark.parametrize(
    ("cwd", "message"),
    [("{tmp}/missing", "does not exist"), ("{tmp}/file", "is not a directory")],
)
def test_a_working_directory_that_is_none(folder, cwd, message):
    folder("file")

    with pytest.raises(LaunchFailed, match=message) as caught:
        check_command(Command(("sh",), cwd=cwd.format(tmp=folder.path)))

    assert not caught.value.transient


@pytest.mark.parametrize("argv", [(), ("",)])
def test_an_empty_command(argv):
    assert refused(Command(argv)).message == "the command is empty"
