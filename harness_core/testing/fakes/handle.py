"""FakeHandle: a run in a FakeWorld as core sees it, owned or only watched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from harness_core.contracts.command import Command
from harness_core.contracts.errors import NotSupported, Survivors
from harness_core.contracts.execution import AttachedHandle, ProcessHandle, Session
from harness_core.contracts.health import ExecResult
from harness_core.contracts.offer import Capability
from harness_core.contracts.output import Cursor, Output, OutputQuery, Stream
from harness_core.contracts.place import Address, Endpoint, Place
from harness_core.contracts.run import Exit, HandleState, Stats
from harness_core.testing.fakes.world import FakeRun, FakeWorld

STATE_VERSION = 1


class FakeAttachedHandle(AttachedHandle):
    """A run in a world, read only."""

    def __init__(self, world: FakeWorld, run: FakeRun, place: Place, capabilities: frozenset[Capability]) -> None:
        self.ref = f"fake {run.number}"
        self._world = world
        self._run = run
        self._place = place
        self._capabilities = capabilities

    async def wait(self) -> Exit:
        """The exit, as soon as the link lets us know it."""
        while self._run.exit is None or not self._world.linked:
            await self._run.changed.wait()
        return self._run.exit

    async def output(self, query: OutputQuery = OutputQuery()) -> AsyncIterator[Output]:  # noqa: B008 - a frozen value
        """What the run wrote, from memory."""
        self._needs(Capability.OUTPUT)
        self._world.check_link()
        index = _start_of(query, self._run.output)
        while True:
            while index < len(self._run.output):
                self._world.check_link()
                yield self._run.output[index]
                index += 1
            if self._run.exit is not None or not query.follow:
                return
            await self._run.changed.wait()

    async def endpoints(self) -> Sequence[Endpoint]:
        """One endpoint per port of the spec, at the place."""
        self._world.check_link()
        return [
            Endpoint(port.name, port.protocol, (Address(self._place.host_alias, port.outer or port.inner, self._place),))
            for port in self._run.spec.ports
        ]

    async def stats(self) -> Stats:
        """Made-up figures that never change."""
        self._needs(Capability.STATS)
        self._world.check_link()
        return Stats(memory=1024 * 1024, cpu_seconds=0.0, processes=1 if self._run.exit is None else 0)

    def _needs(self, capability: Capability) -> None:
        if capability not in self._capabilities:
            raise NotSupported(f"this fake was made without {capability.name}")


class FakeHandle(FakeAttachedHandle, ProcessHandle):
    """A run in a world, owned."""

    def state(self) -> HandleState:
        """The number of the run in its world."""
        return state_of(self._run)

    async def request_stop(self, signal: str | None, grace: float) -> None:
        """Send a signal that ends the run unless it refuses."""
        self._world.check_link()
        self._deliver(signal or "TERM")

    async def signal(self, name: str) -> None:
        """Send a signal; TERM, INT, HUP, QUIT and KILL end the run."""
        self._needs(Capability.SIGNALS)
        self._world.check_link()
        self._deliver(name)

    async def kill(self) -> None:
        """End the run at once, unless it is scripted to survive."""
        self._world.check_link()
        if self._run.behaviour.survives_kill and self._run.exit is None:
            raise Survivors([self.ref])
        self._world.finish(self._run, Exit(signal="KILL"))

    async def dispose(self) -> None:
        """Forget a finished run and its output."""
        self._world.check_link()
        if self._run.exit is None:
            raise RuntimeError(f"run {self._run.spec.run} has not finished; kill it first")
        self._world.runs.pop(self._run.spec.run, None)
        self._run.disposed = True

    async def write(self, data: bytes | None) -> None:
        """Keep what arrives on stdin; None closes it."""
        self._needs(Capability.STDIN)
        self._world.check_link()
        if data is None:
            self._run.stdin_closed = True
        else:
            self._run.stdin.extend(data)

    async def resize(self, rows: int, columns: int) -> None:
        """Remember the size; every fake run has a terminal, where TTY is declared."""
        self._needs(Capability.TTY)
        self._world.check_link()
        self._run.size = (rows, columns)

    async def exec(self, command: Command) -> Session:
        """A session that answers what the world's `on_exec` says."""
        self._needs(Capability.EXEC)
        self._world.check_link()
        return FakeSession(self._world.on_exec(self._run.spec, command))

    def _deliver(self, name: str) -> None:
        self._run.signals.append(name)
        behaviour = self._run.behaviour
        deadly = name == "KILL" or (name in {"TERM", "INT", "HUP", "QUIT"} and not behaviour.refuses_stop)
        if deadly and self._run.exit is None:
            self._world.later(self._run, 0.0 if name == "KILL" else behaviour.stop_delay, Exit(signal=name))


class FakeSession(Session):
    """A command that has already answered."""

    def __init__(self, result: ExecResult) -> None:
        self._result = result

    async def output(self) -> AsyncIterator[Output]:
        """The whole answer, in one chunk."""
        if self._result.output:
            yield Output(Cursor("1"), datetime.now(UTC), Stream.OUT, self._result.output)

    async def write(self, data: bytes | None) -> None:
        """Ignored: the command has ended."""

    async def resize(self, rows: int, columns: int) -> None:
        """Ignored: there is no terminal."""

    async def signal(self, name: str) -> None:
        """Ignored: the command has ended."""

    async def wait(self) -> Exit:
        """The exit that was scripted."""
        return Exit(self._result.code, self._result.signal, at=datetime.now(UTC))

    async def aclose(self) -> None:
        """Nothing is left to end."""


def state_of(run: FakeRun) -> HandleState:
    """What is stored of a run, enough to recover it."""
    return HandleState(STATE_VERSION, {"number": run.number})


def _start_of(query: OutputQuery, output: Sequence[Output]) -> int:
    """The index of the first chunk that a query wants; one chunk may hold several lines, so `tail` never gives too few."""
    start = 0
    if isinstance(query.since, datetime):
        since = query.since
        start = next((i for i, chunk in enumerate(output) if chunk.at > since), len(output))
    elif query.since is not None:
        start = int(query.since)
    if query.tail is None:
        return start
    lines, index = 0, len(output)
    # One line break more than lines wanted, since a chunk may begin in the middle of a line.
    while query.tail and index > start and lines <= query.tail:
        index -= 1
        lines += output[index].data.count(b"\n")
    return index
