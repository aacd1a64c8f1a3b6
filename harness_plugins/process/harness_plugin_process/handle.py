"""A run that the keeper owns, as the contract sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from harness_core.contracts.command import Command
from harness_core.contracts.errors import HarnessError, NotSupported, Unreachable
from harness_core.contracts.execution import ProcessHandle, Session
from harness_core.contracts.offer import Change, ChangeKind
from harness_core.contracts.output import Cursor, Output, OutputQuery, Stream
from harness_core.contracts.place import Endpoint
from harness_core.contracts.run import Exit, HandleState, LaunchSpec, Stats
from harness_core.keeper import Client, NoSuchRun, Refused
from harness_plugin_process.endpoints import local_endpoints
from harness_plugin_process.session import run_beside
from harness_plugin_process.translation import exit_of, in_contract_terms

STATE_VERSION = 1
KILL_TIMEOUT = 5.0
FIRST_SIGNAL = "TERM"


class Facts(Protocol):
    """What the keeper tells both of a run just started and of one found."""

    @property
    def pid(self) -> int:
        """The main process."""

    @property
    def start_ticks(self) -> int:
        """When it started, in ticks since boot."""

    @property
    def boot_id(self) -> str:
        """The boot it belongs to."""

    @property
    def containment(self) -> str:
        """`cgroup` or `process-groups`: how its whole tree is found."""

    @property
    def crash_safe(self) -> bool:
        """Whether it survives the death of the keeper in full."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What this machine could not do for it."""


def state_of(facts: Facts) -> HandleState:
    """What core stores: enough to recognise the process, and what people want to know about it."""
    return HandleState(
        STATE_VERSION,
        {
            "pid": facts.pid,
            "start_ticks": facts.start_ticks,
            "boot_id": facts.boot_id,
            "containment": facts.containment,
            "crash_safe": facts.crash_safe,
            "notes": list(facts.notes),
        },
    )


class KeeperHandle(ProcessHandle):
    """One run, live or finished. `ended` is told its name once its end was seen or it was disposed of."""

    def __init__(
        self,
        spec: LaunchSpec,
        keeper: Client,
        state: HandleState,
        *,
        report: Callable[[str, Change], None],
        ended: Callable[[str], None],
    ) -> None:
        self.ref = f"pid {state.data['pid']}"
        self._run = spec.run
        self._ports = spec.ports
        self._user = spec.config.get("user")
        self._tty = spec.command is not None and spec.command.tty
        self._cwd = (spec.command.cwd if spec.command else None) or spec.base_dir
        self._keeper = keeper
        self._state = state
        self._report = report
        self._ended = ended

    def state(self) -> HandleState:
        """What `recover` needs."""
        return self._state

    async def wait(self) -> Exit:
        """How it ended, whenever that is."""
        try:
            exit = exit_of(await self._keeper.wait(self._run))
        except NoSuchRun:
            exit = Exit(reason="lost")
        self._ended(self._run)
        return exit

    async def output(self, query: OutputQuery = OutputQuery()) -> AsyncIterator[Output]:  # noqa: B008 - a frozen value
        """Its output from the keeper's files."""
        with in_contract_terms():
            async for chunk in self._keeper.output(self._run, since=query.since, tail=query.tail, follow=query.follow):
                at = datetime.fromtimestamp(chunk.at_ns / 1e9, UTC)
                yield Output(Cursor(chunk.cursor), at, Stream(chunk.stream), chunk.data, lost=chunk.lost)

    async def endpoints(self) -> Sequence[Endpoint]:
        """Its ports on this machine."""
        return local_endpoints(self._ports)

    async def stats(self) -> Stats:
        """What its whole tree uses."""
        with in_contract_terms():
            told = await self._keeper.stats(self._run)
        return Stats(memory=told.rss, cpu_seconds=told.cpu_seconds, processes=told.processes)

    async def exec(self, command: Command) -> Session:
        """Run a command beside it: same machine, and same user and folder unless the command says otherwise."""
        return await run_beside(self._keeper, self._run, command, cwd=self._cwd, user=self._user)

    async def request_stop(self, signal: str | None, grace: float) -> None:
        """Signal its main process; whoever asked keeps the time, and kills what could not be asked."""
        try:
            await self.signal(signal or FIRST_SIGNAL)
        except Unreachable:
            raise
        except HarnessError as error:
            self._report(self._run, Change(ChangeKind.NOTE, error.message))

    async def signal(self, name: str) -> None:
        """Signal its main process; nothing when that has ended."""
        with in_contract_terms():
            try:
                await self._keeper.signal(self._run, name)
            except NoSuchRun:
                return
            except Refused as error:
                hint = "a process that became another user can only be signalled by root"
                raise HarnessError(f"{self.ref} can't be sent {name}: {error}", hint=hint) from error

    async def kill(self) -> None:
        """End the whole tree, orphans too."""
        with in_contract_terms():
            try:
                await self._keeper.kill(self._run, timeout=KILL_TIMEOUT)
            except NoSuchRun:
                return

    async def dispose(self) -> None:
        """Free its output and its place in the keeper's list."""
        with in_contract_terms():
            await self._keeper.dispose(self._run)
        self._ended(self._run)

    async def write(self, data: bytes | None) -> None:
        """Feed its stdin or terminal; None closes it."""
        if self._state.data["crash_safe"]:
            # Crash safe is exactly what does not depend on a stdin or terminal that the keeper holds.
            raise NotSupported("this service has no stdin", hint="write `stdin: true` or `tty: true` in its block")
        with in_contract_terms():
            await self._keeper.write(self._run, data)

    async def resize(self, rows: int, columns: int) -> None:
        """Tell its terminal the new size."""
        if not self._tty:
            raise NotSupported("this service has no terminal", hint="write `tty: true` in its block")
        with in_contract_terms():
            await self._keeper.resize(self._run, rows=rows, columns=columns)
