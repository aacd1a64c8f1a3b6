from __future__ import annotations

import os
import signal
import threading

import pytest

from harness_core.cli.terminal import Signals, Terminal


@pytest.mark.parametrize(
    ("shown", "undoing"),
    [
        ([b"plain \x1b[31mred\x1b[0m"], b""),
        ([b"\x1b[?1049h\x1b[?25l"], b"\x1b[?1049l\x1b[?25h"),
        ([b"\x1b[?1049h\x1b[?25l", b"bye\x1b[?25h\x1b[?1049l"], b""),
        ([b"\x1b[?10", b"49h"], b"\x1b[?1049l"),
        ([b"\x1b[?1000;1006h"], b"\x1b[?1006l\x1b[?1000l"),
        ([b"\x1b[?2004h$ "], b"\x1b[?2004l"),
        ([b"\x1b[?12;25h\x1b[?7h"], b""),
    ],
)
def test_what_a_program_left_switched_is_switched_back(shown, undoing):
    terminal = Terminal()

    for piece in shown:
        terminal.note(piece)

    assert terminal.undoing() == undoing


def test_signals_can_be_polled_and_are_as_before_afterwards():
    before = signal.getsignal(signal.SIGHUP)

    with Signals() as signals:
        assert signals.take() == []
        for number in (signal.SIGHUP, signal.SIGWINCH):
            signal.pthread_kill(threading.get_ident(), number)
        assert os.get_blocking(signals.fileno()) is False
        assert signals.take() == [signal.SIGHUP, signal.SIGWINCH]

    assert signal.getsignal(signal.SIGHUP) is before
    assert signal.set_wakeup_fd(-1) == -1
