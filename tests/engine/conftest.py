"""`bench`: the real manager over services that exist in memory, with a registry that survives it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from harness_core.config.model import ProjectConfig, project_from_json
from harness_core.contracts.clock import SystemClock
from harness_core.contracts.events import State
from harness_core.contracts.offer import Offer
from harness_core.engine import prober, starting, supervisor, view
from harness_core.engine.manager import ServiceManager
from harness_core.engine.supervisor import Supervisor
from harness_core.testing import (
    FakeHealthCheck,
    FakeWorld,
    MemoryRegistry,
    MemoryStore,
    catalog_of,
    fake_attach_offer,
    fake_layer_offer,
    fake_offer,
)

PROJECT = "shop-1"
PATIENCE = 10.0


def service_block(**keys: Any) -> dict[str, Any]:
    """Canonical JSON of a service, quick to restart and to stop; `keys` replace whole keys, dicts are merged."""
    block: dict[str, Any] = {
        "type": "fake",
        "config": {},
        "command": None,
        "env": {},
        "inherited_env": {},
        "dependencies": {},
        "health_check": None,
        "restart": {"when": "on-failure", "backoff": 0.02, "max_backoff": 0.05, "max_restarts": 5, "window": 60.0},
        "stop": {"signal": None, "timeout": 2.0, "command": None},
        "oneshot": False,
        "startup_timeout": 5.0,
        "layers": [],
        "ports": [],
        "labels": {},
        "limits": {"memory": None, "cpu": None, "pids": None, "nofile": None},
        "logs": {"merge": False, "max_size": 1 << 20, "keep": 4, "keep_runs": 2},
        "network": None,
        "description": "",
        "secrets": [],
        "base_dir": "/",
    }
    for key, value in keys.items():
        assert key in block, key
        block[key] = {**block[key], **value} if isinstance(block[key], dict) and isinstance(value, dict) else value
    return block


def health(script: str = "api", **keys: Any) -> dict[str, Any]:
    """A health check that answers as `bench.check` is scripted."""
    return {
        "check": "fake", "config": script, "interval": 0.02, "timeout": 1.0, "retries": 1, "successes": 1,
        "start_period": 0.0, "restart_on_failure": False, **keys,
    }  # fmt: skip


def port(name: str = "http", inner: int | None = None, outer: int | None = None) -> dict[str, Any]:
    """A port as it stands in canonical JSON."""
    return {"name": name, "inner": inner, "outer": outer, "protocol": "http"}


def project(services: Mapping[str, Mapping[str, Any]], *, id: str = PROJECT) -> ProjectConfig:
    """A project of services, each given by the keys that differ from the defaults."""
    blocks = {name: service_block(**keys) for name, keys in services.items()}
    return project_from_json({"id": id, "name": "shop", "path": "/x", "description": "", "services": blocks, "networks": {}})


class Bench:
    """One manager at a time; `reopen` kills it and makes the next before the same world and store."""

    def __init__(self, folder: Path, *, world: FakeWorld | None = None, executors: tuple[Offer, ...] | None = None) -> None:
        self.world = world or FakeWorld()
        self.check = FakeHealthCheck()
        self.store = MemoryStore()
        self.folder = folder
        self.executors = executors or (fake_offer(self.world), fake_attach_offer(self.world))
        self.layers: tuple[Offer, ...] = (fake_layer_offer(),)
        self.checks: tuple[Offer, ...] = (self.check.offer(),)
        self.manager: ServiceManager
        self.log = logging.getLogger("harness.engine-tests")

    health = staticmethod(health)
    port = staticmethod(port)
    project = staticmethod(project)

    @staticmethod
    async def until(condition: Callable[[], Any], *, within: float = PATIENCE, what: Callable[[], str] = lambda: "") -> Any:
        return await until(condition, within=within, what=what)

    async def open(self) -> None:
        registry = MemoryRegistry(self.store)
        await registry.open({})
        catalog = catalog_of(executors=self.executors, layers=self.layers, health_checks=self.checks)
        self.manager = ServiceManager(
            catalog=catalog, registry=registry, state_dir=self.folder, clock=SystemClock(), log=self.log
        )
        await self.manager.open()

    async def reopen(self, *, between: Callable[[], None] = lambda: None) -> None:
        await self.manager.aclose()
        between()
        await self.open()

    def supervisor(self, name: str) -> Supervisor:
        return self.manager._projects[PROJECT].supervisors[name]

    async def apply(self, services: Mapping[str, Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        options = {"services": None, "start": True, "wait": False, "timeout": PATIENCE, "by": "test", **options}
        return await self.manager.apply(project(services), **options)

    async def start(self, *names: str, wait: bool = False) -> dict[str, Any]:
        return await self.manager.start(PROJECT, names or None, wait=wait, timeout=PATIENCE, by="test")

    async def stop(self, *names: str, **options: Any) -> dict[str, Any]:
        options = {"force": True, "down": False, "kill": False, "wait": True, "timeout": None, "by": "test", **options}
        return await self.manager.stop(PROJECT, names or None, **options)

    async def restart(self, *names: str, wait: bool = False) -> dict[str, Any]:
        return await self.manager.restart(PROJECT, names or None, wait=wait, timeout=PATIENCE, by="test")

    async def reaches(self, name: str, state: State) -> Supervisor:
        """The service as soon as it is in that state."""
        found = self.supervisor(name)
        await until(lambda: found.state is state, what=lambda: f"{name} {state}: it is {found.state}, {found.reason}")
        return found

    def events(self, name: str | None = None, *kinds: str) -> list[dict[str, Any]]:
        services = None if name is None else [name]
        return self.manager.bus.recent(project=PROJECT, services=services, kinds=kinds or None, limit=10_000)

    def states(self, name: str) -> list[str]:
        """Every state that the service has been in, by its events."""
        return [event["new"] for event in self.events(name, "state")]

    def order_of(self, kind: str) -> list[str]:
        return [event["service"] for event in self.events(None, kind)]


async def until(condition: Callable[[], Any], *, within: float = PATIENCE, what: Callable[[], str] = lambda: "") -> Any:
    """The first true answer of a condition."""
    try:
        async with asyncio.timeout(within):
            while not (answer := condition()):  # noqa: ASYNC110 - any condition, told by no event
                await asyncio.sleep(0.002)
            return answer
    except TimeoutError:
        pytest.fail(f"not within {within:g} s: {what() or condition}")


@asynccontextmanager
async def opened(bench: Bench) -> AsyncIterator[Bench]:
    await bench.open()
    try:
        yield bench
    finally:
        await bench.manager.aclose()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What asks again does so soon."""
    monkeypatch.setattr(supervisor, "STUCK_PAUSE", 0.05)
    monkeypatch.setattr(view, "SETTLE", 0.02)
    monkeypatch.setattr(starting, "ATTACH_PAUSE", 0.01)
    monkeypatch.setattr(prober, "LONGEST_FIRST_PAUSE", 0.05)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run coroutine tests of this folder; a test that has `bench` gets it opened."""
    if not asyncio.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def run() -> None:
        async with asyncio.timeout(50):
            ready = arguments.get("bench")
            if isinstance(ready, Bench):
                async with opened(ready):
                    await pyfuncitem.obj(**arguments)
            else:
                await pyfuncitem.obj(**arguments)

    asyncio.run(run())
    return True
