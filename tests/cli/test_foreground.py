"""`harness up` in the foreground, against the real daemon: when it ends, with what code, and what it leaves."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest

BEGIN = "version: '1.0'\nname: fore\nservices:\n"


def script(name: str, text: str, **keys: str) -> str:
    more = "".join(f", {key}: {value}" for key, value in keys.items())
    return f"  {name}: {{type: process, shell: true, command: {json.dumps(text)}{more}}}\n"


FOREVER = "while :; do sleep 0.1; done"


def test_it_ends_with_0_when_all_have_completed(harness):
    harness.write(BEGIN + script("one", "echo hello", oneshot="true") + script("two", "true", oneshot="true"))

    result = harness.run("up")

    assert result.code == 0, result.text
    assert "one | hello\n" in result.out
    assert "\x1b" not in result.text


def test_it_ends_with_1_when_nothing_runs_and_something_failed(harness):
    harness.write(BEGIN + script("good", "true", oneshot="true") + script("bad", "echo oh no; exit 3", oneshot="true"))

    result = harness.run("up")

    assert result.code == 1, result.text
    assert "✗ bad" in result.err
    assert "oh no" in result.out
    assert "exit 3" in result.err


@pytest.mark.parametrize(("ending", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$$$", 137)])
def test_exit_code_from_a_service_stops_the_others(harness, ending, code):
    harness.write(BEGIN + script("server", FOREVER) + script("tests", f"sleep 0.3; {ending}", oneshot="true"))

    result = harness.run("up", "--exit-code-from", "tests")

    assert result.code == code, result.text
    assert not harness.strays()


def test_exit_code_from_an_unknown_service_is_a_usage_error(harness):
    harness.write(BEGIN + script("tests", "true", oneshot="true"))

    result = harness.run("up", "--exit-code-from", "test")

    assert result.code == 2
    assert "did you mean 'tests'?" in result.err


def test_what_ran_before_stays(harness):
    harness.write(BEGIN + script("before", FOREVER) + script("mine", f"echo mine begins; {FOREVER}"))
    harness.ok("up", "-d", "before")
    pid = harness.service("before")["pid"]
    terminal = harness.terminal("up")
    terminal.expect("mine begins")

    terminal.press("\x03")

    assert terminal.wait() == 130
    assert "left running, as before: before" in terminal.plain
    assert harness.service("before")["pid"] == pid
    assert harness.service("mine")["state"] == "stopped"


def test_an_up_that_started_nothing_stops_nothing_and_says_so(harness):
    harness.write(BEGIN + script("before", f"echo runs; {FOREVER}"))
    harness.ok("up", "-d")
    terminal = harness.terminal("up")
    terminal.expect("running already")

    terminal.press("\x03")

    assert terminal.wait() == 130
    assert "left running, as before: before" in terminal.plain
    assert not re.search("^stopped", terminal.plain, re.MULTILINE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_each_of_the_signals_is_a_stop(harness, number):
    harness.write(BEGIN + script("one", f"echo begins; {FOREVER}"))
    command = harness.start("up")
    assert command.stdout.readline() == b"one | begins\n"

    command.send_signal(number)
    command.communicate(timeout=30)

    assert command.returncode == 128 + number
    assert not harness.strays()


def test_a_reader_that_goes_away_is_a_stop_too(harness):
    harness.write(BEGIN + script("one", "while :; do echo tick; sleep 0.05; done"))
    with harness.start("up") as command:
        command.stdout.readline()
        command.stdout.close()
        command.stderr.read()
        command.wait(timeout=30)

    assert command.returncode == 141
    assert not harness.strays()


def test_a_timeout_stops_what_was_started(harness):
    check = "{command: 'test -e never', interval: 100ms, start_period: 60s}"
    harness.write(BEGIN + script("slow", FOREVER, health_check=check))

    result = harness.run("up", "--timeout", "1s")

    assert result.code == 5, result.text
    assert "slow" in result.err
    assert not harness.strays()


def test_json_is_one_object_a_line(harness):
    harness.write(BEGIN + script("one", "echo hello", oneshot="true"))

    result = harness.run("up", "--json")

    items = [json.loads(line) for line in result.out.splitlines()]
    kinds = [item["type"] for item in items]
    assert {"log", "event", "outcome"} <= set(kinds)
    assert next(item["text"] for item in items if item["type"] == "log") == "hello"
    assert next(item for item in items if item["type"] == "outcome")["reached"] is True


def test_it_survives_a_killed_daemon_and_still_stops_everything(harness, eventually):
    harness.write(BEGIN + script("one", "n=0; while :; do echo tick $((n+=1)); sleep 0.05; done"))
    terminal = harness.terminal("up")
    terminal.expect(r"one \| tick 5\b")
    pid = harness.service("one")["pid"]

    os.kill(harness.daemon_pid, signal.SIGKILL)
    terminal.expect("connected again")
    assert harness.service("one")["pid"] == pid
    seen = len(terminal.text)
    eventually(lambda: terminal._read(0.1) and "tick" in terminal.text[seen:], what="logs go on")
    terminal.press("\x03")

    assert terminal.wait() == 130
    assert not harness.strays()
    # Not at the beginning of a line: what the footer said there was erased only on the screen.
    ticks = [int(number) for number in re.findall(r"one \| tick (\d+)$", terminal.plain, re.MULTILINE)]
    assert ticks == list(range(1, len(ticks) + 1)), "no gap, no duplicate"


def test_a_failed_start_says_which_why_and_its_last_lines_and_the_rest_goes_on(harness):
    harness.write(BEGIN + script("good", FOREVER) + script("bad", "echo cannot open the door >&2; exit 2", restart="'no'"))
    terminal = harness.terminal("up")
    terminal.expect("✗ bad")
    terminal.expect("│ cannot open the door")
    assert harness.service("good")["state"] == "running"

    terminal.press("\x03")

    assert terminal.wait() == 130


def test_up_wait_fails_at_once_when_it_has_become_impossible(harness):
    harness.write(
        BEGIN + script("bad", "echo no >&2; exit 2", oneshot="true") + script("after", FOREVER, dependencies="{bad: completed}")
    )

    result = harness.run("up", "--wait", timeout=30)

    assert result.code == 1
    assert "✗ bad" in result.out
    assert "✗ after" in result.out
    assert "│ no" in result.out
