"""ServiceTarget: one run as seen from inside: what core lends to a probe, and to a person's command."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from dataclasses import replace

from harness_core.contracts.command import Command
from harness_core.contracts.execution import Session
from harness_core.contracts.health import ExecResult
from harness_core.contracts.output import Cursor, OutputQuery
from harness_core.contracts.place import Endpoint
from harness_core.engine.launching import Wrap
from harness_core.engine.run import Run

EXEC_CAP = 64 * 1024
FRESH_CAP = 1024 * 1024


class ServiceTarget:
    """One run of a service, as a probe may touch it."""

    def __init__(self, run: Run, *, base: Command | None, wrap: Wrap, endpoints: Sequence[Endpoint]) -> None:
        self._run = run
        self._base = base
        self._wrap = wrap
        self.endpoints = tuple(endpoints)
        self._cursor: Cursor | None = None
        self._rest: dict[str, bytearray] = {}

    async def dial(self, host: str, port: int) -> tuple[StreamReader, StreamWriter]:
        """A connection to an address of the service; raises OSError."""
        return await asyncio.open_connection(host, port)

    @property
    def folder(self) -> str | None:
        """The working directory of the service's own command, where core knows it."""
        return self._base.cwd if self._base is not None else None

    async def open(self, command: Command) -> Session:
        """A command inside the service's place and behind its layers, with the service's own environment and folder."""
        if self._base is not None:
            command = replace(command, env={**self._base.env, **command.env}, cwd=command.cwd or self._base.cwd)
        return await self._run.handle.exec(self._wrap(command))

    async def exec(self, command: Command) -> ExecResult:
        """What a command inside answered."""
        session = await self.open(command)
        collected = bytearray()
        try:
            async for chunk in session.output():
                # The end of what it said is what tells: the error after pages of talk.
                collected += chunk.data
                del collected[:-EXEC_CAP]
            exit = await session.wait()
        finally:
            await session.aclose()
        return ExecResult(exit.code, bytes(collected), exit.signal)

    async def fresh_output(self) -> Sequence[bytes]:
        """Whole lines written since the previous probe of this run."""
        async for chunk in self._run.output(OutputQuery(since=self._cursor)):
            # Kept beyond this call: a probe that is cut by its timeout must not lose what it has read.
            self._cursor = chunk.cursor
            collected = self._rest.setdefault(chunk.stream, bytearray())
            collected += chunk.data
            if len(collected) > 2 * FRESH_CAP:
                del collected[:-FRESH_CAP]
        fresh: list[bytes] = []
        for stream, collected in self._rest.items():
            *lines, rest = bytes(collected[-FRESH_CAP:]).split(b"\n")
            self._rest[stream] = bytearray(rest)
            fresh += lines
        return fresh
