"""Terminal: a person's terminal while what they type belongs to a program elsewhere; as it was before in every way of ending."""

from __future__ import annotations

import os
import re
import signal
import sys
import termios
import tty
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH)
_SWITCH = re.compile(rb"\x1b\[\?([0-9;]+)([hl])")
_LONGEST_SWITCH = 32
_FORGETTABLE = frozenset({b"12", b"1048"})
"""Modes that need no undoing: a blinking cursor, a saved position."""


class Terminal:
    """Raw between `seize` and `restore`, if standard input is a terminal; remembers which modes the program has switched on."""

    def __init__(self) -> None:
        self.is_one = sys.stdin is not None and sys.stdin.isatty()
        self.shows = sys.stdout is not None and sys.stdout.isatty()
        self._before: list[Any] | None = None
        self._tail = b""
        self._on: dict[bytes, None] = {}
        self._off: set[bytes] = set()

    @property
    def hears(self) -> bool:
        """Whether there is a standard input at all; where it was closed, its number may be anybody's by now."""
        return sys.stdin is not None

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns; 24 × 80 where nobody says."""
        for number in (1, 0, 2):
            with suppress(OSError):
                found = os.get_terminal_size(number)
                if found.lines and found.columns:
                    return found.lines, found.columns
        return 24, 80

    def seize(self) -> None:
        """Every key goes to the program from now on, Ctrl-C too."""
        if self.is_one and self._before is None:
            self._before = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSADRAIN)

    def note(self, shown: bytes) -> None:
        """Remember which modes were switched by what was just shown: another screen, a hidden cursor, mouse reports, …"""
        text = self._tail + shown
        for match in _SWITCH.finditer(text):
            for mode in match[1].split(b";"):
                if match[2] == b"h":
                    self._off.discard(mode)
                    self._on[mode] = None
                else:
                    self._on.pop(mode, None)
                    self._off.add(mode)
        self._tail = text[-_LONGEST_SWITCH:] if b"\x1b" in text[-_LONGEST_SWITCH:] else b""

    def undoing(self) -> bytes:
        """What switches everything back that the program has left switched."""
        modes = [mode for mode in reversed(self._on) if mode not in _FORGETTABLE | {b"25", b"7"}]
        back = b"".join(b"\x1b[?%bl" % mode for mode in modes)
        # These two are on in a terminal that nobody touched: the cursor is seen, and long lines are folded.
        return back + b"".join(b"\x1b[?%bh" % mode for mode in (b"25", b"7") if mode in self._off)

    def restore(self) -> None:
        """Everything as it was before; may be called at any time, and often."""
        before, self._before = self._before, None
        if before is not None:
            with suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(0, termios.TCSADRAIN, before)
        back = self.undoing() if self.shows else b""
        self._on.clear()
        self._off.clear()
        if back:
            with suppress(OSError):
                os.write(1, back)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.restore()


class Signals:
    """Signals as something to poll, between two other things: `fileno` can be read when there are some to `take`."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        for fd in (self._reading, self._writing):
            os.set_blocking(fd, False)
        self._before: dict[int, Any] = {}
        self._wakeup = -1

    def fileno(self) -> int:
        """What to poll."""
        return self._reading

    def take(self) -> list[int]:
        """The signals that came since last time, in order."""
        try:
            return [number for number in os.read(self._reading, 512) if number in SIGNALS]
        except BlockingIOError:
            return []

    def __enter__(self) -> Signals:
        self._wakeup = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _noted) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._reading)
        os.close(self._writing)


def _noted(number: int, frame: FrameType | None) -> None:
    """The number is in the pipe already."""
