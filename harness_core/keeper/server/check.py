"""Find out whether other code could take over, by running it."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any, Callable, Union

from harness_core.keeper.server import launch
from harness_core.keeper.server.capture import Capture
from harness_core.keeper.server.code import STATES
from harness_core.keeper.server.keeper import Keeper
from harness_core.keeper.server.refusal import Refusal

if TYPE_CHECKING:
    from harness_core.keeper.server.loop import Timer

MOST_SAID = 64 << 10
Answer = Union["dict[str, Any]", Refusal]


class Check:
    """One run of the new code's ``--check``; ``done`` gets what it answered, or why it can't be used."""

    def __init__(self, keeper: Keeper, python: str, code: str, *, within: float, done: Callable[[Answer], None]) -> None:
        self._done = done
        self._within = within
        self._said: dict[int, bytearray] = {1: bytearray(), 2: bytearray()}
        self._captures: list[Capture] = []
        self._late = False
        # The version of our state goes along: the other code knows best what it can read.
        argv = [python, "-I", "-S", code, "--check", str(STATES[-1])]
        command = launch.look_up(argv, dict(os.environ), "/", None)
        theirs = []
        try:
            for stream in (1, 2):
                ours, their = os.pipe()
                os.set_blocking(ours, False)
                theirs.append(their)
                self._captures.append(Capture(keeper.loop, ours, stream, self._take, lambda: None))
            # 0 is our own /dev/null.
            self._pid = launch.start(command, [0, *theirs], tty=None, nofile=keeper.file_limit)
        except BaseException:
            self._close()
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        keeper.mains[self._pid] = self
        self._timer: Timer = keeper.loop.later(within, self._give_up)

    def ended(self, status: int | None) -> None:
        """Judge what it said."""
        self._timer.cancel()
        for capture in self._captures:
            capture.drain()
        self._close()
        try:
            about = json.loads(self._said[1]) if status == 0 else {}
            found = {name: about[name] for name in ("version", "python", "states", "code")}
        except (ValueError, KeyError, TypeError):
            self._refuse(self._complaint())
            return
        if STATES[-1] not in found["states"]:
            known = ", ".join(map(str, found["states"]))
            self._refuse("it reads state of version %s, and this keeper's is of version %d" % (known, STATES[-1]))
            return
        self._done(found)

    def _refuse(self, cause: str) -> None:
        self._done(Refusal("unusable-code", "the new keeper's code can't take over: %s" % cause))

    def _take(self, data: memoryview, stream: int) -> None:
        said = self._said[stream]
        said += data[: MOST_SAID - len(said)]

    def _complaint(self) -> str:
        if self._late:
            return "it did not answer within %g s" % self._within
        lines = bytes(self._said[2]).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "asked with --check what it is, it did not say"

    def _give_up(self) -> None:
        self._late = True
        os.kill(self._pid, signal.SIGKILL)  # our child, not reaped yet: the pid cannot be anybody else's

    def _close(self) -> None:
        for capture in self._captures:
            capture.close()
