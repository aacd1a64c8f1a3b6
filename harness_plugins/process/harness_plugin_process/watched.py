"""A process that is not ours, watched through its pidfd."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from harness_core.contracts.command import Command
from harness_core.contracts.errors import HarnessError, NotSupported
from harness_core.contracts.execution import AttachedHandle, Session
from harness_core.contracts.offer import Context
from harness_core.contracts.output import Output, OutputQuery
from harness_core.contracts.place import Endpoint
from harness_core.contracts.run import Exit, LaunchSpec, Stats
from harness_plugin_process.endpoints import local_endpoints
from harness_plugin_process.pidfd import exit_status
from harness_plugin_process.proc import Process, tree

if TYPE_CHECKING:
    from harness_core.keeper import Client

REAPED_WITHIN = 1.0  # a parent that reaps at all does so at once
STATS_TIMEOUT = 5.0


class WatchedProcess(AttachedHandle):
    """Reads only: nothing here can signal. Owns the pidfd until its exit was asked for or `detach`."""

    def __init__(
        self, spec: LaunchSpec, process: Process, pidfd: int, *, context: Context, keeper: Callable[[], Awaitable[Client]]
    ) -> None:
        self.ref = f"pid {process.pid}"
        self._spec = spec
        self._process = process
        self._pidfd = pidfd
        self._context = context
        self._keeper = keeper
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._asking = asyncio.Lock()
        self._ended_at: datetime | None = None
        self._exit: Exit | None = None
        self._loop.add_reader(pidfd, self._on_end)

    async def wait(self) -> Exit:
        """How it ended, as far as the kernel tells those who are not its parent."""
        await self._news.wait()
        async with self._asking:
            if self._exit is None:
                self._exit = await self._ask()
        return self._exit

    async def output(self, query: OutputQuery = OutputQuery()) -> AsyncIterator[Output]:  # noqa: B008 - a frozen value
        """Never: where a stranger's output goes is its own affair."""
        raise NotSupported("the output of a process that harness did not start can't be read")
        yield

    async def endpoints(self) -> Sequence[Endpoint]:
        """The ports that the config says it listens on."""
        return local_endpoints(self._spec.ports)

    async def stats(self) -> Stats:
        """What it and its descendants use."""
        found = await self._context.blocking(tree, self._process.pid, timeout=STATS_TIMEOUT)
        # The pid is its own only while it lives: by now it may be a stranger's.
        if self._news.is_set() or all(process.identity != self._process.identity for process in found):
            return Stats(memory=0, processes=0)
        return Stats(
            memory=sum(process.memory for process in found),
            cpu_seconds=sum(process.cpu_seconds for process in found),
            processes=len(found),
        )

    async def exec(self, command: Command) -> Session:
        """Run a command on the same machine."""
        from harness_plugin_process.session import run_beside

        return await run_beside(await self._keeper(), None, command, cwd=self._spec.base_dir, user=None)

    async def detach(self) -> None:
        """Let go of it; a wait that is still going on fails."""
        self._release()
        self._news.set()

    def _release(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._ended_at = self._context.clock.now()
        self._news.set()

    async def _ask(self) -> Exit:
        if self._pidfd < 0:
            raise HarnessError(f"{self.ref} is no longer watched")
        status = await exit_status(self._pidfd, within=REAPED_WITHIN)
        self._release()  # it has told all it can, and whoever watches for long attaches again and again
        if status is None:
            return Exit(at=self._ended_at)
        if os.WIFSIGNALED(status):
            return Exit(signal=signal_name(os.WTERMSIG(status)), at=self._ended_at)
        return Exit(code=os.WEXITSTATUS(status), at=self._ended_at)


def signal_name(number: int) -> str:
    """`TERM` for 15; real-time signals by their number."""
    import signal

    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return str(number)
