"""Hold: the keyboard for as long as the terminal is ours, given back while the command is suspended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import TracebackType

from harness_core.cli.keyboard import Keyboard

_JOB_CONTROL = (signal.SIGTSTP, signal.SIGCONT)


class Hold:
    """A context manager; inside of it, `look` has to be called now and then.

    `pause` is called before somebody else gets the terminal, `resume` when it may look otherwise than it was left.
    """

    def __init__(self, *, wanted: bool, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._keyboard = Keyboard(wanted=wanted)
        self._pause = pause
        self._resume = resume
        self._told: list[int] = []
        self._noting: list[int] = []

    def __enter__(self) -> Hold:
        for number in _JOB_CONTROL:
            # Where somebody chose to ignore it, as shells without job control do, it stays ignored.
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self._note)
                self._noting.append(number)
        self._keyboard.grasp()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._keyboard.release()
        for number in self._noting:
            signal.signal(number, signal.SIG_DFL)

    @property
    def keys(self) -> bool:
        """Whether somebody could press a key."""
        return self._keyboard.held

    def pressed(self) -> list[str]:
        """The keys since the last time."""
        return self._keyboard.pressed()

    def look(self) -> None:
        """Suspend if that was asked for, and take the keyboard again where it has come back to us."""
        if signal.SIGTSTP in self._told:
            self._suspend()
        if self._told:
            self._told.clear()
            self._resume()
            self._keyboard.grasp()
        elif not self._keyboard.held:
            self._keyboard.grasp()

    def _note(self, number: int, _: object) -> None:
        self._told.append(number)

    def _suspend(self) -> None:
        """Stop, as a program does that does not look at the signal; returns when somebody wakes it, wherever it is then."""
        self._pause()
        self._keyboard.release()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._note)
