"""A transient command beside a service, run by the keeper."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from harness_core.contracts.command import Command
from harness_core.contracts.execution import Session
from harness_core.contracts.output import Cursor, Output, Stream
from harness_core.contracts.run import Exit
from harness_core.keeper import Client, ExecSession, Refused
from harness_plugin_process.account import account_of, check_may_become, environment_as
from harness_plugin_process.translation import exit_of, in_contract_terms

WINDOW = 256 * 1024
"""Bytes of output that may wait for a reader before the command has to wait."""


async def run_beside(keeper: Client, run: str | None, command: Command, *, cwd: str, user: str | int | None) -> Session:
    """The running command; `cwd` and `user` are what it gets where it does not say itself."""
    wanted = command.user if command.user is not None else user
    env = dict(command.env)
    if wanted is not None:
        account = account_of(wanted)
        check_may_become(account)
        env = environment_as(account, env)
    rows, columns = command.size or (24, 80)
    with in_contract_terms():
        session = await keeper.exec(
            run,
            command.argv,
            env=env,
            cwd=command.cwd or cwd,
            user=None if wanted is None else account.pw_name,
            tty=command.tty,
            stdin=command.stdin or bool(command.prologue),
            rows=rows,
            columns=columns,
            window=WINDOW,
        )
        try:
            await _feed(session, command)
        except BaseException:
            await session.aclose()
            raise
        return KeeperSession(session)


async def _feed(session: ExecSession, command: Command) -> None:
    if not command.prologue:
        return
    try:
        await session.write(command.prologue)
        if not command.stdin:
            await session.write(None)
    except Refused:
        return  # it ended without reading (sudo said no, say): its output and exit tell why


class KeeperSession(Session):
    """A command that the keeper runs and, at the latest when the link to it is lost, ends."""

    def __init__(self, session: ExecSession) -> None:
        self._session = session

    async def output(self) -> AsyncIterator[Output]:
        """What it writes, until its end."""
        position = 0
        async for chunk in self._session.output():
            position += len(chunk.data)
            yield Output(Cursor(str(position)), datetime.now(UTC), Stream(chunk.stream), chunk.data, lost=chunk.dropped)

    async def write(self, data: bytes | None) -> None:
        """Feed its stdin; None closes it."""
        with in_contract_terms():
            await self._session.write(data)

    async def resize(self, rows: int, columns: int) -> None:
        """Tell its terminal the new size."""
        with in_contract_terms():
            await self._session.resize(rows=rows, columns=columns)

    async def signal(self, name: str) -> None:
        """Send it a signal by name."""
        with in_contract_terms():
            await self._session.signal(name)

    async def wait(self) -> Exit:
        """Its exit."""
        with in_contract_terms():
            return exit_of(await self._session.wait())

    async def aclose(self) -> None:
        """Leave nothing of it running, or raise Survivors."""
        with in_contract_terms():
            await self._session.aclose()
