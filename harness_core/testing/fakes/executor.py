"""FakeLauncher and FakeAttacher: executors in memory, scripted through a FakeWorld."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from harness_core.contracts.command import Command
from harness_core.contracts.errors import (
    Ambiguous,
    CommandNotFound,
    LaunchFailed,
    NotFound,
    NotSupported,
    PortTaken,
    StateTooNew,
    Survivors,
)
from harness_core.contracts.execution import AttachedHandle, Attacher, Launcher, ProcessHandle, Session
from harness_core.contracts.health import ExecResult
from harness_core.contracts.offer import Capability, Change, ChangeKind, Context, Offer
from harness_core.contracts.output import Cursor, Output, OutputQuery, Stream
from harness_core.contracts.place import LOCAL, Address, Endpoint, Place
from harness_core.contracts.run import Exit, Found, HandleState, LaunchSpec, Stats
from harness_core.testing.fakes.world import BEHAVIOUR_SCHEMA, FakeRun, FakeWorld

STATE_VERSION = 1

FAKE_CAPABILITIES = frozenset(
    {
        Capability.RECOVER,
        Capability.STDIN,
        Capability.SIGNALS,
        Capability.STATS,
        Capability.OUTPUT,
        Capability.DURABLE_OUTPUT,
        Capability.EXACT_OUTPUT,
    }
)

ATTACH_CAPABILITIES = frozenset({Capability.OUTPUT, Capability.DURABLE_OUTPUT, Capability.EXACT_OUTPUT, Capability.STATS})


def fake_offer(
    world: FakeWorld, *, name: str = "fake", capabilities: frozenset[Capability] = FAKE_CAPABILITIES, place: Place = LOCAL
) -> Offer:
    """An executor whose services run in `world`. With COMMAND or EXEC, commands are recorded or answered by `on_exec`."""
    return Offer(
        name=name,
        summary="services that exist in memory only, for tests",
        create=lambda context: FakeLauncher(world, context, place=place, capabilities=capabilities),
        schema=BEHAVIOUR_SCHEMA,
        capabilities=capabilities,
    )


def fake_attach_offer(world: FakeWorld, *, name: str = "fake-attach", place: Place = LOCAL) -> Offer:
    """An attacher to what runs in `world`: the config key `target` names a service there."""
    return Offer(
        name=name,
        summary="watches services that exist in memory only, for tests",
        create=lambda context: FakeAttacher(world, place=place),
        schema={
            "type": "object",
            "properties": {"target": {"type": "string", "description": "The service to watch.", "examples": ["db"]}},
            "required": ["target"],
        },
        capabilities=ATTACH_CAPABILITIES,
        attaches=True,
    )


class FakeLauncher(Launcher):
    """Starts services in a world."""

    def __init__(
        self,
        world: FakeWorld,
        context: Context,
        *,
        place: Place = LOCAL,
        capabilities: frozenset[Capability] = FAKE_CAPABILITIES,
    ) -> None:
        self.world = world
        self._place = place
        self._capabilities = capabilities
        self._report: Callable[[str, Change], None] = context.report
        world.listeners.append(self._report)

    def place(self, config: Any) -> Place:
        """The one place that it was made with."""
        return self._place

    async def prepare(self, spec: LaunchSpec) -> None:
        """Take as long as scripted, saying so."""
        self.world.check_link()
        behaviour = self.world.behaviour(spec)
        if behaviour.failures and behaviour.failure == "command-not-found":
            raise CommandNotFound(f"fake binary of '{spec.service}' not found")
        if behaviour.prepare_delay:
            self._report(spec.run, Change(ChangeKind.PROGRESS, "preparing"))
            await asyncio.sleep(behaviour.prepare_delay)
        self.world.prepared.append(spec)

    async def launch(self, spec: LaunchSpec) -> ProcessHandle:
        """The handle of a new run, of the one that exists, or the scripted failure."""
        self.world.check_link()
        if spec.run in self.world.runs:
            return self._handle(self.world.runs[spec.run])
        behaviour = self.world.behaviour(spec)
        await asyncio.sleep(behaviour.launch_delay)
        if self.world.fails(spec):
            raise _failure(behaviour.failure, spec)
        return self._handle(self.world.start(spec))

    async def recover(self, spec: LaunchSpec, state: HandleState | None) -> ProcessHandle | None:
        """The run, live or finished, as long as it was not disposed of."""
        self.world.check_link()
        if state is not None and state.version > STATE_VERSION:
            raise StateTooNew(f"this state was written by version {state.version}; this is version {STATE_VERSION}")
        run = self.world.runs.get(spec.run)
        return None if run is None else self._handle(run)

    async def survey(self) -> Sequence[Found]:
        """Every run in the world."""
        self.world.check_link()
        return [
            Found(run.spec.project, run.spec.service, run.spec.run, f"fake {run.number}", _state_of(run))
            for run in self.world.runs.values()
        ]

    async def aclose(self) -> None:
        """Stop listening to the world; services run on."""
        if self._report in self.world.listeners:
            self.world.listeners.remove(self._report)

    def _handle(self, run: FakeRun) -> FakeHandle:
        return FakeHandle(self.world, run, self._place, self._capabilities)


class FakeAttacher(Attacher):
    """Finds services in a world by name."""

    def __init__(self, world: FakeWorld, *, place: Place = LOCAL) -> None:
        self.world = world
        self._place = place

    def place(self, config: Any) -> Place:
        """The one place that it was made with."""
        return self._place

    async def attach(self, spec: LaunchSpec) -> AttachedHandle:
        """A read-only handle on the one live run of the service `target`."""
        self.world.check_link()
        target = spec.config["target"]
        running = self.world.running(target)
        if not running:
            raise NotFound(f"no fake service '{target}' runs")
        if len(running) > 1:
            raise Ambiguous(f"'{target}' runs {len(running)} times: " + ", ".join(f"fake {run.number}" for run in running))
        return FakeAttachedHandle(self.world, running[0], self._place, ATTACH_CAPABILITIES)

    async def aclose(self) -> None:
        """Nothing to let go."""


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
        return _state_of(self._run)

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


def _failure(kind: str, spec: LaunchSpec) -> LaunchFailed:
    if kind == "port-taken":
        return PortTaken(spec.ports[0].inner if spec.ports else 0, holder="a fake stranger")
    if kind == "command-not-found":
        return CommandNotFound(f"fake binary of '{spec.service}' not found")
    return LaunchFailed(f"scripted failure of '{spec.service}'", transient=kind == "transient")


def _state_of(run: FakeRun) -> HandleState:
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
