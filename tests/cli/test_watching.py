"""`harness status --watch` against the real daemon, in a pipe and in a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from itertools import pairwise

import pytest

CONFIG = """\
version: "1.0"
name: seen
services:
  one: {type: process, command: [sleep, '1000']}
  two: {type: process, command: [sleep, '1000']}
"""


@pytest.fixture
def up(harness):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    return harness


class Reader:
    """What a command in a pipe has written so far, by line."""

    def __init__(self, command: subprocess.Popen[bytes], eventually: Callable[..., object]) -> None:
        self.lines: list[str] = []
        self._command = command
        self._eventually = eventually
        os.set_blocking(command.stdout.fileno(), False)
        self._rest = b""

    def until(self, condition: Callable[[list[str]], bool], what: str) -> None:
        def there() -> bool:
            *whole, self._rest = (self._rest + (self._command.stdout.read() or b"")).split(b"\n")
            self.lines += [line.decode() for line in whole]
            return condition(self.lines)

        self._eventually(there, within=30, what=f"{what}; printed: {self.lines}")


def test_in_a_pipe_a_fresh_table_comes_when_something_changes_and_not_otherwise(up, eventually):
    with up.start("status", "--watch") as command:
        reader = Reader(command, eventually)
        reader.until(lambda lines: len(lines) >= 3, "the first table")

        up.ok("stop", "two")
        reader.until(lambda lines: any(line.startswith("two") and "stopped" in line for line in lines), "the stop")
        command.send_signal(signal.SIGINT)
        command.communicate()

    assert command.returncode == 130
    tables = "\n".join(reader.lines).split("\n\n")
    assert [table.split()[0] for table in tables] == ["service"] * len(tables)
    words = [[" ".join(row.split()[:3] + row.split()[7:]) for row in table.splitlines()] for table in tables]
    assert all(before != after for before, after in pairwise(words))


def test_json_is_one_object_a_line(up, eventually):
    with up.start("status", "--watch", "--json") as command:
        reader = Reader(command, eventually)
        reader.until(lambda lines: len(lines) >= 1, "the first object")
        up.ok("stop", "two")
        reader.until(lambda lines: '"stopped"' in lines[-1], "the stop")
        command.send_signal(signal.SIGTERM)
        command.communicate()

    assert command.returncode == 143
    states = [{s["name"]: s["state"] for s in json.loads(line)["services"]} for line in reader.lines]
    assert states[0] == {"one": "running", "two": "running"}
    assert states[-1] == {"one": "running", "two": "stopped"}


@pytest.mark.parametrize(("key", "code"), [("q", 0), ("\x03", 130)])
def test_in_a_terminal_it_ends_by_q_and_by_ctrl_c_and_restores_it(up, key, code):
    terminal = up.terminal("status", "--watch")
    terminal.expect("seen: 2 running.*q ends")

    terminal.press(key)

    assert terminal.wait() == code
    assert terminal.is_as_before


def test_a_signal_restores_the_terminal_too(up):
    terminal = up.terminal("status", "--watch")
    terminal.expect("q ends")

    terminal.process.send_signal(signal.SIGTERM)

    assert terminal.wait() == 143
    assert terminal.is_as_before


def test_it_outlives_the_daemon_and_goes_on_seeing_changes(up):
    terminal = up.terminal("status", "--watch")
    terminal.expect("seen: 2 running")

    os.kill(up.daemon_pid, signal.SIGKILL)
    terminal.expect("connected again")
    up.ok("stop", "one")

    terminal.expect("(?s)connected again.*seen: 1 running, 1 stopped|(?s:connected again.*seen: 1 stopped, 1 running)")


def test_a_project_that_is_taken_down_is_waited_for(up):
    terminal = up.terminal("status", "--watch")
    terminal.expect("seen: 2 running")

    up.ok("down")
    terminal.expect("seen: no services")
    up.ok("up", "-d", "one")

    terminal.expect("(?s)no services.*one +process +running")
    terminal.press("q")
    assert terminal.wait() == 0


def test_a_project_that_nobody_knows_is_an_error(harness):
    harness.write(CONFIG)

    result = harness.run("status", "--watch")

    assert result.code == 1
    assert "error[project.unknown]" in result.err
