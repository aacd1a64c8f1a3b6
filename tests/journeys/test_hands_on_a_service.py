"""A person lays hands on a running service: a shell inside, its own terminal, its input, signals; the terminal is as before."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

CONFIG = """\
version: "1.0"
name: hands
services:
  calm:
    type: process
    command: [sleep, "1000"]
    env: { GREETING: hello }
  idle:
    type: process
    command: [sleep, "1000"]
  screen:
    type: process
    tty: true
    command:
      - sh
      - -c
      - 'trap "echo interrupted" INT; trap "stty size" WINCH; echo ready; while :; do read line && echo "<$line>"; done'
  filter:
    type: process
    stdin: true
    restart: "no"
    command: [sh, -c, 'echo ready; while read line; do echo "<$line>"; [ "$line" = end ] && exit 5; done']
"""
SHELL = """
trap 'echo interrupted' INT; trap 'stty size' WINCH
stty size; echo ready; while :; do read line && eval "$line"; done
"""


@pytest.fixture(scope="module")
def up(shared_harness):
    shared_harness.write(CONFIG)
    shared_harness.ok("up", "-d", "calm", "screen", "filter")
    return shared_harness


def piped(harness, *args, given=b""):
    """What a command says and how it ends, with something on its standard input."""
    return subprocess.run(
        [*harness.command, *args],
        input=given, capture_output=True, env=harness.env, cwd=harness.project, timeout=60, check=False,
    )  # fmt: skip


def test_a_shell_inside_has_a_terminal_that_follows_the_window_and_gets_ctrl_c(up):
    terminal = up.terminal("exec", "-it", "calm", "sh", "-c", SHELL)
    terminal.expect(r"40 120\s+ready")

    terminal.resize(rows=30, columns=90)
    terminal.expect("30 90")
    terminal.press("\x03")
    terminal.expect("interrupted")
    terminal.press("echo $GREETING $TERM; exit 7\r")
    terminal.expect("hello xterm-256color")

    assert terminal.wait() == 7
    assert terminal.is_as_before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_told_to_end_it_leaves_nothing_inside_and_the_terminal_as_it_was(up, eventually, number, code):
    mark = f"told-{number}-{os.urandom(3).hex()}"
    script = f"trap '' TERM HUP INT; printf '\\033[?1049h\\033[?25l'; echo ready {mark}; while :; do sleep 0.1; done"
    terminal = up.terminal("exec", "calm", "--", "sh", "-c", script)
    terminal.expect(f"ready {mark}")

    terminal.process.send_signal(number)

    assert terminal.wait() == code
    assert terminal.is_as_before
    assert not [command for command in up.strays() if mark in command]


def test_a_service_with_a_terminal_is_attached_to_typed_into_and_let_go(up):
    terminal = up.terminal("attach", "screen")
    terminal.expect("attached to screen; Ctrl-P Ctrl-Q detaches")
    terminal.expect("ready")

    terminal.press("typed\r")
    terminal.expect("<typed>")
    terminal.press("\x03")
    terminal.expect("interrupted")
    terminal.resize(rows=25, columns=70)
    terminal.expect("25 70")
    terminal.press("\x10\x11")

    assert terminal.wait() == 0
    assert "screen runs on" in terminal.plain
    assert terminal.is_as_before
    assert up.service("screen")["state"] == "running"


def test_without_a_terminal_of_its_own_ctrl_c_lets_go(up):
    terminal = up.terminal("attach", "filter")
    terminal.expect("attached to filter; Ctrl-C detaches")

    terminal.press("line\r")
    terminal.expect("<line>")
    terminal.press("\x03")

    assert terminal.wait() == 130
    assert terminal.is_as_before
    assert up.service("filter")["state"] == "running"


def test_who_only_looks_types_nothing_and_sees_the_last_lines(up):
    terminal = up.terminal("attach", "--no-stdin", "screen", "--tail", "1000")
    terminal.expect("ready")
    terminal.press("nobody reads this\r\x03")

    assert terminal.wait() == 130
    assert "<nobody" not in terminal.plain


def test_an_attachment_ends_with_its_service_and_its_code(up):
    up.ok("restart", "filter")

    done = piped(up, "attach", "filter", given="é\nend\n".encode())

    assert done.returncode == 5, done.stderr
    assert done.stdout.decode().splitlines()[-2:] == ["<é>", "<end>"]


def test_in_a_pipe_a_command_inside_is_like_any_other(up):
    data = os.urandom(300_000)

    assert piped(up, "exec", "calm", "cat", given=data).stdout == data
    assert piped(up, "exec", "calm", "sh", "-c", "echo oh >&2; kill -9 $$").returncode == 137
    assert piped(up, "exec", "calm", "--no-stdin", "--", "cat", given=b"x").stdout == b""
    assert piped(up, "exec", "-e", "LEVEL=1", "calm", "sh", "-c", 'echo "$LEVEL $GREETING $1"', "sh", "--json").stdout == (
        b"1 hello --json\n"
    )
    assert piped(up, "exec", "calm", "-w", "/", "--", "pwd").stdout == b"/\n"
    said = piped(up, "exec", "calm", "--json", "--", "sh", "-c", "printf x; exit 2")
    assert said.returncode == 2
    assert [json.loads(line)["type"] for line in said.stdout.splitlines()] == ["opened", "output", "exit"]


def test_with_its_own_input_closed_it_reads_nobody_elses(up):
    said = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *up.command, "exec", "calm", "cat"],
        capture_output=True, env=up.env, cwd=up.project, timeout=60, check=False,
    )  # fmt: skip

    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")


def test_a_reader_that_leaves_ends_it_quietly(up, eventually):
    inside = subprocess.Popen(
        [*up.command, "exec", "calm", "yes", "to-nobody"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=up.env, cwd=up.project,
    )  # fmt: skip
    inside.stdout.read(10)
    inside.stdout.close()

    assert inside.wait(30) == 141
    assert inside.stderr.read() == b""
    inside.stderr.close()
    eventually(lambda: not [command for command in up.strays() if "to-nobody" in command], within=30)


def test_ctrl_c_goes_to_a_command_without_a_terminal_and_the_third_kills(up):
    script = "trap 'echo no' INT; echo ready; while :; do sleep 0.1; done"
    terminal = up.terminal("exec", "-T", "calm", "sh", "-c", script)
    terminal.expect("ready")

    terminal.press("\x03")
    terminal.expect("no")
    terminal.press("\x03")
    terminal.expect("once more kills it")
    terminal.press("\x03")

    assert terminal.wait() == 137
    assert terminal.is_as_before


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (["exec", "idle", "true"], 1, "service 'idle' is not running (stopped)"),
        (["exec", "clam", "true"], 2, "did you mean 'calm'?"),
        (["exec", "calm", "no-such-program"], 127, "no-such-program"),
        (["exec", "calm"], 2, "no command is given"),
        (["exec", "calm", "-e", "=x", "--", "true"], 2, "names no variable"),
        (["attach", "idle"], 1, "harness start idle"),
        (["attach", "calm", "--detach-keys", "alt-x"], 2, "'alt-x' is no key"),
        (["signal", "calm", "TREM"], 2, "did you mean TERM?"),
        (["signal", "idle", "HUP"], 1, "there is nothing to signal"),
    ],
)
def test_what_can_not_be_is_said_with_the_way_out(up, line, code, said):
    done = up.run(*line)

    assert done.code == code
    assert said in done.err
    assert json.loads(up.run(line[0], "--json", *line[1:]).out)["error"]["kind"]


def test_a_signal_by_any_name(up):
    assert up.ok("signal", "calm", "cont").err == "sent cont to calm\n"
    assert up.ok("signal", "calm", "18", "--json").json == {"service": "calm", "signal": "18"}
    assert any("signal CONT sent by" in e.get("detail", "") for e in up.events("calm"))


def test_a_lost_daemon_ends_it_and_the_terminal_is_as_before(harness, eventually):
    harness.write(CONFIG)
    harness.ok("up", "-d", "calm")
    terminal = harness.terminal("exec", "calm", "sh", "-c", "echo ready; while :; do sleep 0.1; done")
    terminal.expect("ready")

    os.kill(harness.daemon_pid, signal.SIGKILL)

    assert terminal.wait() == 4
    assert "the command inside has ended with it" in terminal.plain
    assert terminal.is_as_before
    eventually(lambda: not [command for command in harness.strays() if "echo ready" in command], within=30)
    assert harness.service("calm")["state"] == "running"


def test_status_says_that_what_has_a_keyboard_is_not_crash_safe(up):
    services = {s["name"]: s["crash_safe"] for s in up.ok("status", "--detailed", "--json").json["services"]}

    assert services["calm"] is True
    assert services["screen"] is False
    assert "not crash-safe" in up.ok("status", "--detailed").out
