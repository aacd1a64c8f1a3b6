"""Become other code without losing anything: checked first, then step by step on the loop."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Callable

from harness_core.keeper.server.check import Answer, Check
from harness_core.keeper.server.keeper import Keeper
from harness_core.keeper.server.refusal import Refusal
from harness_core.keeper.server.transient import KILL_WITHIN

if TYPE_CHECKING:
    from harness_core.keeper.server.connection import Connection

CHECK_TIMEOUT = 10.0
PATIENCE = 2.0
"""Seconds that transient commands are given to end by themselves."""
FLUSH_WITHIN = 1.0
LOOK_AGAIN = 0.01


class Replacement:
    """The way to other code, step by step on the loop: check it, let transient commands end, hand over.

    ``answer`` gets the reply or a Refusal, which leaves everything as it was; ``become`` is called last of all.
    """

    def __init__(
        self, keeper: Keeper, request: dict[str, Any], *,
        answer: Callable[[Answer], None], become: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._keeper = keeper
        self._python, self._code = str(request.get("python") or sys.executable), str(request["code"])
        self._even_if_same = bool(request.get("even_if_same"))
        self._answer, self._become = answer, become
        for path in (self._python, self._code):
            if not os.path.isabs(path):
                raise Refusal("bad-request", "%r is not an absolute path" % path)
        if keeper.being_replaced:
            raise Refusal("busy", "the keeper is being replaced already")
        within = float(request.get("check_timeout", CHECK_TIMEOUT))
        Check(keeper, self._python, self._code, within=within, done=self._checked)
        keeper.being_replaced = True

    def _checked(self, found: Answer) -> None:
        if isinstance(found, Refusal) or (found["code"] == self._keeper.code and not self._even_if_same):
            self._keeper.being_replaced = False
            self._answer(found if isinstance(found, Refusal) else {"replaced": False, **found})
            return
        self._found = found
        self._keeper.leaving = True
        self._await_transients(time.monotonic() + PATIENCE, self._end_transients)

    def _await_transients(self, until: float, then: Callable[[], None]) -> None:
        if not (self._keeper.transients or self._keeper.killer.busy) or time.monotonic() >= until:
            then()
        else:
            self._keeper.loop.later(LOOK_AGAIN, lambda: self._await_transients(until, then))

    def _end_transients(self) -> None:
        for command in list(self._keeper.transients.values()):
            command.replaced()
        self._await_transients(time.monotonic() + KILL_WITHIN + 1, self._hand_over)

    def _hand_over(self) -> None:
        self._answer({"replaced": True, **self._found})
        self._become(self._python, self._code)


def flush(connections: set[Connection], then: Callable[[], None], later: Callable[[float, Callable[[], None]], Any]) -> None:
    """Call ``then`` once every client has taken what was said to it; one that does not read is not waited for for ever."""
    until = time.monotonic() + FLUSH_WITHIN

    def look() -> None:
        if any(connection.backlog for connection in connections) and time.monotonic() < until:
            later(LOOK_AGAIN, look)
        else:
            then()

    look()
