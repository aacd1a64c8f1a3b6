"""The fakes obey the kits: whoever tests against them tests against the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from harness_core.contracts import Health, LaunchSpec
from harness_core.testing import (
    AttacherContract,
    Behaviour,
    ExecutorBench,
    ExecutorContract,
    FakeContext,
    FakeHealthCheck,
    FakeTarget,
    FakeWorld,
    HealthCheckContract,
    LayerContract,
    MemoryStore,
    RegistryContract,
    fake_attach_offer,
    fake_layer_offer,
    fake_offer,
    memory_offer,
)


class TestFakeLauncher(ExecutorContract):
    world = FakeWorld()
    offer = fake_offer(world)

    def running(self, mark: str = "kit") -> LaunchSpec:
        return self.spec(labels={"mark": mark})

    def exiting(self, code: int) -> LaunchSpec:
        return self.spec(config={"after": 0, "code": code})

    def printing(self, lines: Sequence[str], *, running: bool = False) -> LaunchSpec:
        return self.spec(config={"output": list(lines), **({} if running else {"after": 0})})

    async def living(self, mark: str) -> Sequence[str]:
        return [run.spec.run for run in self.world.running("service") if run.spec.labels.get("mark") == mark]

    async def break_link(self, bench: ExecutorBench) -> None:
        self.world.cut_link()

    async def mend_link(self, bench: ExecutorBench) -> None:
        self.world.mend_link()


class TestFakeLauncherThatCanDoNothing(TestFakeLauncher):
    world = FakeWorld()
    offer = fake_offer(world, capabilities=frozenset())


class TestFakeAttacher(AttacherContract):
    world = FakeWorld()
    offer = fake_attach_offer(world)
    config: Mapping[str, Any] = {"target": "db"}

    async def start_target(self, context: FakeContext) -> Mapping[str, Any]:
        self.world.start(LaunchSpec("kit", "db", "one"))
        return {"target": "db"}

    async def start_twins(self, context: FakeContext) -> Mapping[str, Any]:
        self.world.start(LaunchSpec("kit", "db", "one"))
        self.world.start(LaunchSpec("kit", "db", "two"))
        return {"target": "db"}

    async def end_target(self, config: Mapping[str, Any]) -> None:
        self.world.end("db", code=0)

    async def is_alive(self, config: Mapping[str, Any]) -> bool:
        return bool(self.world.running("db"))

    def missing_config(self) -> Mapping[str, Any]:
        return {"target": "nobody"}


class TestFakeLayer(LayerContract):
    offer = fake_layer_offer()


class TestFakeLayerThatPassesNothing(LayerContract):
    offer = fake_layer_offer(passes=frozenset())


class TestFakeHealthCheck(HealthCheckContract):
    check = FakeHealthCheck()
    offer = check.offer()
    config = "well"
    dials = False

    def healthy_target(self) -> tuple[Any, FakeTarget]:
        return "well", FakeTarget()

    def unhealthy_target(self) -> tuple[Any, FakeTarget]:
        self.check.answer("ill", Health(False, "scripted"))
        return "ill", FakeTarget()


class TestMemoryRegistry(RegistryContract):
    durable = False

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[Any]:
        self.offer = memory_offer(MemoryStore())
        async with super().bench() as bench:
            yield bench

    offer = memory_offer()

    def config_in(self, folder: Path) -> Mapping[str, Any]:
        return {}


def test_a_behaviour_is_read_from_a_config() -> None:
    config = {"after": 1.5, "code": 2, "output": ["a", "b"]}

    assert Behaviour.from_config(config) == Behaviour(after=1.5, code=2, output=("a", "b"))
