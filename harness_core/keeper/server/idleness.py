"""A keeper that nobody needs ends itself: whoever comes next starts another, which finds on the disk all there is to know."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from harness_core.keeper.server.keeper import Keeper

VARIABLE = "HARNESS_KEEPER_IDLE_SECONDS"
IDLE_SECONDS = 60.0


class Idleness:
    """Calls ``leave`` once nothing has lived under the keeper and no client has been there for a while.

    Runs that have ended and were not disposed of are no reason to stay, acknowledged or not: their exits are in the journal.
    """

    def __init__(self, keeper: Keeper, *, seconds: float, clients: Callable[[], int], leave: Callable[[], None]) -> None:
        self._keeper, self._seconds = keeper, seconds
        self._clients, self._leave = clients, leave
        self._needed_at = time.monotonic()
        self._look_again()

    def _look_again(self) -> None:
        self._keeper.loop.later(self._seconds / 4, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        if self._clients() or not self._keeper.idle:
            self._needed_at = now
        elif now - self._needed_at >= self._seconds:
            self._leave()
            return
        self._look_again()


def seconds() -> float:
    """How long to stay with nothing to do; ValueError where the environment says something else than a number."""
    return float(os.environ.get(VARIABLE) or IDLE_SECONDS)
