"""Execs: the commands that one connection has opened inside services, so that later requests can feed, resize and end them."""

from __future__ import annotations

import asyncio

from harness_core.contracts.execution import Session
from harness_core.daemon import refusal
from harness_core.protocol import FAILED, MAX_EXECS


class Exec:
    """One of them, from the request on: what is asked of it before it has begun waits for that."""

    def __init__(self) -> None:
        self.writing = asyncio.Lock()
        """held by whoever feeds it, so that bytes keep their order"""
        self._begun = asyncio.Event()
        self._session: Session | None = None

    def begin(self, session: Session) -> None:
        """It runs."""
        self._session = session
        self._begun.set()

    def give_up(self) -> None:
        """It never will, or has ended."""
        self._session = None
        self._begun.set()

    async def session(self) -> Session | None:
        """What runs; None: it could not be begun, or has ended."""
        await self._begun.wait()
        return self._session


class Execs:
    """By the ids of their `exec.open` requests."""

    def __init__(self) -> None:
        self._open: dict[int, Exec] = {}

    def add(self, id: int) -> Exec:
        """A new one; raises a Refusal when there are enough already."""
        if len(self._open) >= MAX_EXECS:
            raise refusal.malformed(f"more than {MAX_EXECS} commands are open on this connection", id=id, kind="exec.too-many")
        self._open[id] = Exec()
        return self._open[id]

    def remove(self, id: int) -> None:
        """It is over."""
        self._open.pop(id).give_up()

    def find(self, id: int) -> Exec:
        """The one that was opened by this request; raises a Refusal when there is none (any more)."""
        found = self._open.get(id)
        if found is None:
            raise unknown(id)
        return found


def unknown(id: int) -> refusal.Refusal:
    """There is no such command (any more)."""
    return refusal.Refusal("exec.unknown", f"no command is open under request {id} (any more)", code=FAILED)
