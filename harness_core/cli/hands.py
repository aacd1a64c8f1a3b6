"""The person at the keyboard of `harness up`: what they press, what they want done, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness_core.cli.board import Board
from harness_core.cli.foreground_screen import Screen
from harness_core.cli.hold import Hold
from harness_core.cli.live import Deed, Mode, View, press
from harness_core.client import RemoteError
from harness_core.protocol import RestartServices, StopServices

if TYPE_CHECKING:
    from harness_core.client import Client, Stream

class Hands:
    """What the keys ask for, and what came of it."""

    def __init__(self, screen: Screen, project: str) -> None:
        self.view = View()
        self.hold = Hold(wanted=screen.live, pause=screen.pause, resume=screen.forget)
        self._screen = screen
        self._project = project
        self._under_way: list[tuple[Deed, Stream]] = []

    @property
    def busy(self) -> bool:
        """Whether something that was asked for is still under way."""
        return bool(self._under_way)

    @property
    def streams(self) -> list[Stream]:
        """What to wait for."""
        return [stream for _, stream in self._under_way]

    def wishes(self, board: Board) -> list[Deed]:
        """What the keys that were pressed ask for."""
        deeds = []
        for key in self.hold.pressed():
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


def choices(board: Board) -> Mapping[str, Sequence[str]]:
    """What can be stopped, and what restarted."""
    return {"stop": sorted(row.name for row in board.rows.values() if row.live), "restart": sorted(board.rows)}
