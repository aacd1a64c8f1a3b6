"""FakeLauncher and FakeAttacher: executors in memory, scripted through a FakeWorld."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from harness_core.contracts.errors import Ambiguous, CommandNotFound, LaunchFailed, NotFound, PortTaken, StateTooNew
from harness_core.contracts.execution import AttachedHandle, Attacher, Launcher, ProcessHandle
from harness_core.contracts.offer import Capability, Change, ChangeKind, Context, Offer
from harness_core.contracts.place import LOCAL, Place
from harness_core.contracts.run import Found, HandleState, LaunchSpec
from harness_core.testing.fakes.handle import STATE_VERSION, FakeAttachedHandle, FakeHandle, state_of
from harness_core.testing.fakes.world import BEHAVIOUR_SCHEMA, FakeRun, FakeWorld

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
            Found(run.spec.project, run.spec.service, run.spec.run, f"fake {run.number}", state_of(run))
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


def _failure(kind: str, spec: LaunchSpec) -> LaunchFailed:
    if kind == "port-taken":
        return PortTaken(spec.ports[0].inner if spec.ports else 0, holder="a fake stranger")
    if kind == "command-not-found":
        return CommandNotFound(f"fake binary of '{spec.service}' not found")
    return LaunchFailed(f"scripted failure of '{spec.service}'", transient=kind == "transient")
