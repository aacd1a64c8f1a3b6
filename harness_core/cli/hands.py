"""The person at the keyboard of `harness up`: what they press, what they want done, and what came of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from harness_core.cli.board import Board
from harness_core.cli.foreground_screen import Screen
from harness_core.cli.keyboard import Keyboard
from harness_core.cli.live import Deed, Mode, View, press
from harness_core.client import RemoteError
from harness_core.protocol import RestartServices, StopServices

if TYPE_CHECKING:
    from harness_core.client import Client, Stream

_JOB_CONTROL = (signal.SIGTSTP, signal.SIGCONT)


class Hands:
    """Reads keys while it is entered; the terminal is as it was whenever somebody else has it, and afterwards."""

    def __init__(self, screen: Screen, project: str) -> None:
        self.view = View()
        self._screen = screen
        self._project = project
        self._keyboard = Keyboard(wanted=screen.live)
        self._under_way: list[tuple[Deed, Stream]] = []
        self._told: list[int] = []
        self._before: dict[int, signal.Handlers] = {}

    def __enter__(self) -> Hands:
        for number in _JOB_CONTROL:
            # Where somebody chose to ignore it, as shells without job control do, it stays ignored.
            if signal.getsignal(number) is signal.SIG_DFL:
                self._before[number] = signal.SIG_DFL
                signal.signal(number, self._note)
        self._keyboard.grasp()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._keyboard.release()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def there(self) -> bool:
        """Whether somebody could press a key."""
        return self._keyboard.held

    @property
    def busy(self) -> bool:
        """Whether something that was asked for is still under way."""
        return bool(self._under_way)

    @property
    def streams(self) -> list[Stream]:
        """What to wait for."""
        return [stream for _, stream in self._under_way]

    def look(self) -> None:
        """Suspend if that was asked for, and take the keyboard again where it has come back to us."""
        if signal.SIGTSTP in self._told:
            self._suspend()
        elif self._told or not self._keyboard.held:
            if self._told:
                self._screen.forget()
            self._told.clear()
            self._keyboard.grasp()

    def wishes(self, board: Board) -> list[Deed]:
        """What the keys that were pressed ask for."""
        deeds = []
        for key in self._keyboard.pressed():
            self.view, deed = press(self.view, key, choices(board))
            if deed is not None:
                deeds.append(deed)
        return deeds

    def begin(self, client: Client, deed: Deed, board: Board) -> None:
        """Ask the daemon to stop or restart services."""
        names = tuple(choices(board)[deed.verb]) if deed.services is None else deed.services
        if deed.verb == "stop":
            request = StopServices(project=self._project, services=names, force=deed.force)
            self._under_way.append((deed, client.stream(request)))
        else:
            self._under_way.append((deed, client.stream(RestartServices(project=self._project, services=names))))

    def see(self) -> None:
        """Say what came of it, and ask where the daemon wants to be told twice."""
        for deed, stream in list(self._under_way):
            stream.take()
            if not stream.ended:
                continue
            self._under_way.remove((deed, stream))
            try:
                self._screen.outcome_of(stream.result)
            except RemoteError as e:
                if e.kind == "stop.dependents" and self.view.mode is Mode.LOOK:
                    self.view = self.view.asking(f"{e.message}. Stop anyway?", Deed("stop", deed.services, force=True))
                else:
                    self._screen.error(e)

    def lose_connection(self) -> None:
        """What was under way goes on without us: the daemon carries out what it has accepted."""
        self._under_way.clear()

    def rest(self) -> None:
        """No question is open any more."""
        self.view = View(filter=self.view.filter)

    def _note(self, number: int, _: object) -> None:
        self._told.append(number)

    def _suspend(self) -> None:
        """Stop as any program does that does not look at the signal; returns in the foreground or the background."""
        self._screen.pause()
        self._keyboard.release()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._note)
        self._told.clear()
        self._keyboard.grasp()


def choices(board: Board) -> Mapping[str, Sequence[str]]:
    """What can be stopped, and what restarted."""
    return {"stop": sorted(row.name for row in board.rows.values() if row.live), "restart": sorted(board.rows)}
