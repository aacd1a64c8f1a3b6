"""Keyboard: single keys from the terminal, for as long as it is ours; its settings are restored in every way of ending.

A job in the background must touch neither the settings nor the input of the terminal: the system would stop it. So everything
here asks first whether we are in the foreground, and blocks the two stopping signals for the moment between asking and doing.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, TextIO

_SEQUENCE = 0.03
"""Seconds that the rest of an escape sequence may take, until an Escape counts as pressed."""
_NAMES = {
    "\r": "enter", "\n": "enter", "\t": "tab", "\x1b": "escape", "\x7f": "backspace", "\b": "backspace", "\x15": "kill",
    "\x0e": "down", "\x10": "up",
}  # fmt: skip
_SEQUENCES = {"A": "up", "B": "down", "C": "right", "D": "left", "Z": "back-tab"}


def in_foreground(stream: TextIO) -> bool:
    """Whether this process may use the terminal behind the stream; where there is no job control, everybody may."""
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return True


def decode(text: str) -> list[str]:
    """The keys that were pressed: a character, or a name such as `enter`, `escape`, `up`; what nobody knows is left out."""
    keys, at = [], 0
    while at < len(text):
        if text[at] == "\x1b" and text[at + 1 : at + 2] in ("[", "O"):
            end = at + 2
            while end < len(text) and not "@" <= text[end] <= "~":
                end += 1
            if name := _SEQUENCES.get(text[end : end + 1]):
                keys.append(name)
            at = end + 1
            continue
        if name := _NAMES.get(text[at]):
            keys.append(name)
        elif text[at].isprintable():
            keys.append(text[at])
        at += 1
    return keys


class Keyboard:
    """Keys of the terminal on standard input; none where that is no terminal, in the background, and where not `wanted`.

    A context manager. Inside of it, echo and line editing are off while we are in the foreground; Ctrl-C and Ctrl-Z are signals
    as ever.
    """

    def __init__(self, *, wanted: bool = True, stream: TextIO | None = None) -> None:
        self._stream = sys.stdin if stream is None else stream
        self._wanted = wanted and self._stream is not None and self._stream.isatty()
        self._before: list[Any] | None = None

    def __enter__(self) -> Keyboard:
        self.grasp()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    @property
    def held(self) -> bool:
        """Whether keys come here."""
        return self._before is not None

    @property
    def inputs(self) -> tuple[int, ...]:
        """What to wait for besides everything else; empty while no keys come."""
        return (self._stream.fileno(),) if self.held and in_foreground(self._stream) else ()

    def grasp(self) -> None:
        """Take the keyboard if it is there for us: at the beginning, after a suspension, when a job comes to the foreground."""
        if self._wanted and in_foreground(self._stream):
            with _not_stopped():
                self._before = self._before or termios.tcgetattr(self._stream)
                termios.tcsetattr(self._stream, termios.TCSADRAIN, _single_keys(self._before))

    def release(self) -> None:
        """Leave the terminal as it was found."""
        before, self._before = self._before, None
        # In the background the settings are those of whoever is in the foreground now: not ours to change.
        if before is not None and in_foreground(self._stream):
            # A terminal that is gone has taken its settings along.
            with _not_stopped(), suppress(termios.error):
                termios.tcsetattr(self._stream, termios.TCSADRAIN, before)

    def pressed(self) -> list[str]:
        """What was pressed since the last time; never waits, but for the rest of an escape sequence."""
        pressed = ""
        while self._pending(_SEQUENCE if pressed.endswith("\x1b") else 0):
            with _not_stopped():
                try:
                    data = os.read(self._stream.fileno(), 1024)
                except OSError:
                    data = b""
            if not data:
                # Hung up, or taken away: whoever looks for keys again would find the same, again and again.
                self._wanted, self._before = False, None
                break
            pressed += data.decode("utf-8", "replace")
        return decode(pressed)

    def _pending(self, patience: float) -> bool:
        return any(select.select([fd], [], [], patience)[0] for fd in self.inputs)


def _single_keys(settings: list[Any]) -> list[Any]:
    """These settings without echo and without waiting for the end of a line."""
    changed = [*settings[:6], list(settings[6])]
    # Ctrl-C would throw away what was written and is not shown yet: a log line, or half of a control sequence.
    changed[3] = changed[3] & ~(termios.ICANON | termios.ECHO) | termios.NOFLSH
    changed[6][termios.VMIN], changed[6][termios.VTIME] = 1, 0
    return changed


@contextmanager
def _not_stopped() -> Iterator[None]:
    """Fail instead of being stopped, should we be in the background just now."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTIN, signal.SIGTTOU))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
