"""A service writes a line of 5 MB, bytes that are no UTF-8, and control sequences: its log stays readable and whole."""

from __future__ import annotations

CONFIG = """\
version: "1.0"
name: misbehaving
services:
  noisy:
    type: process
    command: [python3, noisy.py]
    restart: "no"
    oneshot: true
"""


def up(harness, program: str) -> None:
    harness.write(program, "noisy.py")
    harness.write(CONFIG)
    harness.ok("up", "-d")


def test_a_line_of_5_mb_comes_back_whole(harness):
    up(harness, "import sys; sys.stdout.write('x' * 5_000_000 + '\\nafter\\n')")

    out = harness.ok("logs", "noisy").out

    assert out.count("x") == 5_000_000
    assert out.endswith("x\nafter\n")


def test_bytes_that_are_no_utf_8_come_back_as_they_were(harness):
    up(harness, "import os; os.write(1, b'caf\\xe9 \\xff\\xfe\\nafter\\n')")

    out = harness.ok("logs", "noisy").out.encode(errors="surrogateescape")

    assert out == b"caf\xe9 \xff\xfe\nafter\n"


def test_control_sequences_cannot_take_over_a_terminal(harness):
    up(harness, "print('\\x1b]0;owned\\x07\\x1b[2J\\x1b[?1049hhello')")

    terminal = harness.terminal("logs", "noisy")
    code = terminal.wait()

    assert code == 0
    assert "hello" in terminal.plain
    assert "\x1b]0;owned" not in terminal.text
    assert "\x1b[2J" not in terminal.text
    assert "\x1b[?1049h" not in terminal.text


def test_raw_passes_them_on_when_asked(harness):
    up(harness, "print('\\x1b[31mred\\x1b[0m')")

    terminal = harness.terminal("logs", "noisy", "--raw")

    assert terminal.wait() == 0
    assert "\x1b[31mred" in terminal.text
