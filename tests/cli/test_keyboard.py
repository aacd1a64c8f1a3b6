"""Single keys, and a terminal that is as it was afterwards."""

from __future__ import annotations

import io
import os
import pty
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from harness_core.cli.keyboard import Keyboard, decode, in_foreground


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("qé漢", ["q", "é", "漢"]),
        ("\r\n", ["enter", "enter"]),
        ("\x1b", ["escape"]),
        ("\x1b[A\x1b[B\x1bOC\x1b[D", ["up", "down", "right", "left"]),
        ("\x1b[Z\t\x7f\x08\x15", ["back-tab", "tab", "backspace", "backspace", "kill"]),
        ("\x1b[1;5A", ["up"]),
        ("\x1b[15~x", ["x"]),
        ("\x1b[", []),
        ("\x00\x01", []),
        ("\x1b\x1b[A", ["escape", "up"]),
    ],
)
def test_bytes_become_keys_and_what_nobody_knows_is_left_out(text, keys):
    assert decode(text) == keys


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """Our side, and the one that a program has; nobody's controlling terminal."""
    ours, theirs = pty.openpty()
    with open(theirs) as stream:
        yield ours, stream
    os.close(ours)


def settings(stream: TextIO) -> list[object]:
    return termios.tcgetattr(stream)


def test_keys_come_one_by_one_without_echo(terminal, eventually):
    ours, stream = terminal

    with Keyboard(stream=stream) as keyboard:
        assert not settings(stream)[3] & (termios.ICANON | termios.ECHO)
        assert settings(stream)[3] & termios.ISIG
        assert settings(stream)[3] & termios.NOFLSH
        assert keyboard.pressed() == []

        os.write(ours, b"s\x1b[B")

        assert eventually(keyboard.pressed) == ["s", "down"]


@pytest.mark.parametrize("end", [None, KeyboardInterrupt, ValueError])
def test_the_terminal_is_as_before_however_it_ends(terminal, end):
    _, stream = terminal
    before = settings(stream)

    def use() -> None:
        with Keyboard(stream=stream):
            assert settings(stream) != before
            if end is not None:
                raise end

    if end is None:
        use()
    else:
        with pytest.raises(end):
            use()

    assert settings(stream) == before


def test_it_can_be_released_and_taken_again(terminal):
    _, stream = terminal
    before = settings(stream)

    with Keyboard(stream=stream) as keyboard:
        keyboard.release()
        assert settings(stream) == before
        assert not keyboard.held
        keyboard.grasp()
        assert settings(stream) != before

    assert settings(stream) == before


def test_settings_that_were_changed_meanwhile_are_made_ours_again(terminal):
    _, stream = terminal
    before = settings(stream)

    with Keyboard(stream=stream) as keyboard:
        termios.tcsetattr(stream, termios.TCSANOW, before)  # as a shell does it that has had the terminal
        keyboard.grasp()
        assert settings(stream) != before

    assert settings(stream) == before


def test_what_is_no_terminal_gives_no_keys():
    with Keyboard(stream=io.StringIO("q")) as keyboard:
        assert not keyboard.held
        assert keyboard.pressed() == []


def test_who_wants_no_keys_changes_nothing(terminal):
    _, stream = terminal
    before = settings(stream)

    with Keyboard(wanted=False, stream=stream):
        assert settings(stream) == before


def test_in_the_background_the_terminal_is_left_alone(terminal, monkeypatch):
    ours, stream = terminal
    before = settings(stream)
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() + 1)
    os.write(ours, b"q\n")

    with Keyboard(stream=stream) as keyboard:
        assert not keyboard.held
        assert settings(stream) == before
        assert keyboard.pressed() == []

    assert not in_foreground(stream)


def test_a_terminal_that_hangs_up_is_asked_no_more(eventually):
    ours, theirs = pty.openpty()
    with open(theirs) as stream, Keyboard(stream=stream) as keyboard:
        os.close(ours)

        assert keyboard.pressed() == []
        assert not keyboard.held
        keyboard.grasp()
        assert not keyboard.held


def test_where_there_is_no_job_control_everybody_is_in_the_foreground(terminal):
    assert in_foreground(terminal[1])
    assert in_foreground(io.StringIO())
