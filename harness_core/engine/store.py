"""Store: what the engine remembers, as records of a registry backend.

Kinds: `project` (one a project: its generation and the names of its services), `service` (one a service and generation:
the definition), `wish` (one a service: wanted or not, what became of it, its ports), `run` (one a run: spec and handle
state). A configuration of a thousand services needs several commits; the project record goes last and names the
generation, so that a crash between them leaves the old configuration whole.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness_core.config.model import ProjectConfig, project_from_json
from harness_core.contracts.errors import RegistryError
from harness_core.contracts.events import exit_from_json, exit_to_json
from harness_core.contracts.registry import MAX_CHANGES, MAX_COMMIT_BYTES, Change, RegistryBackend, StoredEvent
from harness_core.contracts.run import Exit, HandleState

FLUSH_AFTER = 0.05
"""Seconds that events and run records may wait for others to share a commit with."""
KEEP_EVENTS = 20_000
PRUNE_EVERY = 2_000
PENDING_LIMIT = 50_000
"""Events that wait for a store that refuses them; older ones are dropped and counted."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a service came to by itself: a state that waiting does not change."""

    state: str
    reason: str
    exit: Exit | None
    digest: str

    def to_json(self) -> dict[str, Any]:
        """The outcome as it is stored."""
        exit = exit_to_json(self.exit) if self.exit else None
        return {"state": self.state, "reason": self.reason, "exit": exit, "digest": self.digest}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Outcome:
        """The outcome that `to_json` wrote."""
        return cls(body["state"], body["reason"], exit_from_json(body["exit"]) if body["exit"] else None, body["digest"])


@dataclass(frozen=True, slots=True)
class Wish:
    """Whether a service is wanted, what came of it, and the ports that `auto` chose."""

    up: bool = False
    outcome: Outcome | None = None
    ports: Mapping[str, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """The wish as it is stored."""
        return {"up": self.up, "outcome": self.outcome.to_json() if self.outcome else None, "ports": dict(self.ports or {})}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Wish:
        """The wish that `to_json` wrote."""
        return cls(body["up"], Outcome.from_json(body["outcome"]) if body["outcome"] else None, body["ports"])


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run: the spec it was launched with (secrets blank), its handle's state, its exit once known."""

    project: str
    service: str
    run: str
    type: str
    spec: Mapping[str, Any]
    state: HandleState | None
    started_at: str
    exit: Exit | None = None

    def to_json(self) -> dict[str, Any]:
        """The record as it is stored."""
        return {
            "project": self.project,
            "service": self.service,
            "type": self.type,
            "spec": self.spec,
            "state": {"version": self.state.version, "data": dict(self.state.data)} if self.state else None,
            "started_at": self.started_at,
            "exit": exit_to_json(self.exit) if self.exit else None,
        }

    @classmethod
    def from_json(cls, run: str, body: Mapping[str, Any]) -> RunRecord:
        """The record that `to_json` wrote."""
        state = body["state"]
        return cls(
            project=body["project"],
            service=body["service"],
            run=run,
            type=body["type"],
            spec=body["spec"],
            state=HandleState(state["version"], state["data"]) if state else None,
            started_at=body["started_at"],
            exit=exit_from_json(body["exit"]) if body["exit"] else None,
        )


@dataclass(frozen=True, slots=True)
class Remembered:
    """Everything a daemon finds when it comes back."""

    projects: Mapping[str, ProjectConfig]
    wishes: Mapping[tuple[str, str], Wish]
    runs: Sequence[RunRecord]


class Store:
    """Commits intents at once, and news about runs and events in groups."""

    def __init__(self, registry: RegistryBackend, log: logging.Logger) -> None:
        self._registry = registry
        self._log = log
        self._events: deque[StoredEvent] = deque()
        self._later: dict[tuple[str, str], Change] = {}
        self._wake = asyncio.Event()
        self._generations: dict[str, int] = {}
        self._appended = 0
        self.trouble: str | None = None
        """Why the last write in the background failed; None when all is well."""

    async def load(self) -> Remembered:
        """All that is remembered."""
        services: dict[tuple[str, int], dict[str, Any]] = {}
        stale: list[Change] = []
        projects: dict[str, ProjectConfig] = {}
        records, _ = await self._registry.snapshot("service")
        for record in records:
            project, generation, name = record.key.split("/", 2)
            # Leftovers of a crash count too: their numbers must not be used again before they are gone.
            self._generations[project] = max(int(generation), self._generations.get(project, 0))
            services.setdefault((project, int(generation)), {})[name] = record.value
        records, _ = await self._registry.snapshot("project")
        for record in records:
            body = record.value
            self._generations[record.key] = max(body["generation"], self._generations.get(record.key, 0))
            blocks = services.pop((record.key, body["generation"]), {})
            projects[record.key] = project_from_json({**body["config"], "services": blocks})
        for (project, number), blocks in services.items():
            stale += [Change("service", f"{project}/{number}/{name}", None) for name in blocks]
        for change in stale:
            self._put(change)
        records, _ = await self._registry.snapshot("wish")
        wishes = {_pair(record.key): Wish.from_json(record.value) for record in records}
        records, _ = await self._registry.snapshot("run")
        return Remembered(projects, wishes, [RunRecord.from_json(r.key, r.value) for r in records])

    async def events(self) -> list[dict[str, Any]]:
        """The newest stored events, oldest first."""
        newest: deque[dict[str, Any]] = deque(maxlen=10_000)
        async for event in self._registry.events(0):
            newest.append(dict(event.body))
        return list(newest)

    async def save_project(self, config: ProjectConfig, wishes: Mapping[str, Wish]) -> None:
        """Make a configuration and its wishes durable; on return a crash can't undo it, before that it changes nothing."""
        # The number is used up even when this fails half-way: what was written under it must never mix with another try.
        self._generations[config.id] = new = self._generations.get(config.id, 0) + 1
        await self._commit_in_batches(
            [Change("service", f"{config.id}/{new}/{name}", dict(service.block)) for name, service in config.services.items()]
        )
        body = {
            "generation": new,
            "config": {
                "id": config.id,
                "name": config.name,
                "path": config.path,
                "description": config.description,
                "networks": dict(config.networks),
                "profiles": list(config.profiles),
            },
        }
        await self._intend([*_wish_changes(config.id, wishes), Change("project", config.id, body)])
        stored, _ = await self._registry.snapshot("service")
        stale = [r.key for r in stored if r.key.startswith(f"{config.id}/") and not r.key.startswith(f"{config.id}/{new}/")]
        for key in stale:
            self._put(Change("service", key, None))

    async def save_wishes(self, project: str, wishes: Mapping[str, Wish]) -> None:
        """Make wishes durable: this is the intent that is committed before any side effect."""
        await self._intend(_wish_changes(project, wishes))

    async def forget_services(self, project: str, names: Sequence[str]) -> None:
        """Forget the wishes of services that are no more."""
        await self._intend([Change("wish", f"{project}/{name}", None) for name in names])

    async def forget_project(self, project: str) -> None:
        """Forget a project with all that belongs to it."""
        changes = [Change("project", project, None)]
        for kind in ("service", "wish"):
            records, _ = await self._registry.snapshot(kind)
            changes += [Change(kind, r.key, None) for r in records if r.key.startswith(f"{project}/")]
        records, _ = await self._registry.snapshot("run")
        changes += [Change("run", r.key, None) for r in records if r.value["project"] == project]
        await self._intend(changes)

    def save_wish_later(self, project: str, service: str, wish: Wish) -> None:
        """Store what a service came to, soon, together with other news."""
        self._put(Change("wish", f"{project}/{service}", wish.to_json()))

    def save_run_later(self, record: RunRecord) -> None:
        """Store a run's record soon; until then `survey` finds it."""
        self._put(Change("run", record.run, record.to_json()))

    def forget_run_later(self, run: str) -> None:
        """Forget a run that was disposed of."""
        self._put(Change("run", run, None))

    def append_later(self, seq: int, body: Mapping[str, Any]) -> None:
        """Store an event soon, in order."""
        if len(self._events) >= PENDING_LIMIT:
            self._events.popleft()
        self._events.append(StoredEvent(seq, body))
        self._wake.set()

    async def flush_for_ever(self) -> None:
        """Write what waits, in groups; a store that refuses is tried again, and services run on."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(FLUSH_AFTER)
            await self._try_flush()
            if self.trouble:
                await asyncio.sleep(1.0)

    async def flush(self) -> None:
        """Write what waits, now."""
        self._wake.clear()
        while self._events:
            batch = [self._events[i] for i in range(min(500, len(self._events)))]
            await self._registry.append(batch)
            for _ in batch:
                self._events.popleft()
            self._appended += len(batch)
        if self._appended >= PRUNE_EVERY:
            self._appended = 0
            await self._registry.prune_events(KEEP_EVENTS)
        while self._later:
            changes = dict(list(self._later.items())[:MAX_CHANGES])
            await self._commit_in_batches(list(changes.values()))
            for key, change in changes.items():
                if self._later.get(key) is change:
                    del self._later[key]

    async def _try_flush(self) -> None:
        try:
            await self.flush()
        except Exception as error:
            # Whatever a backend raises: the next try may succeed, and this is the only one who writes.
            if not isinstance(error, RegistryError):
                self._log.exception("a write in the background failed")
            if self.trouble is None:
                self._log.warning("the registry refuses writes: %s", error)
            self.trouble = str(error)
            self._wake.set()
        else:
            if self.trouble is not None:
                self._log.info("the registry accepts writes again")
            self.trouble = None

    def _put(self, change: Change) -> None:
        self._later[(change.kind, change.key)] = change
        self._wake.set()

    async def _intend(self, changes: Sequence[Change]) -> None:
        waiting = {(c.kind, c.key): self._later.get((c.kind, c.key)) for c in changes}
        await self._commit_in_batches(changes)
        for change in changes:
            key = (change.kind, change.key)
            newer = self._later.get(key)
            if newer is None or newer is waiting[key] or change.value is None or newer.value is None:
                # What was just written must not be overwritten by older news that still waits.
                self._later.pop(key, None)
            elif change.kind == "wish":
                # What became of the service meanwhile is news; what is wished of it was settled here.
                self._later[key] = replace(newer, value={**newer.value, "up": change.value["up"]})

    async def _commit_in_batches(self, changes: Sequence[Change]) -> None:
        if 0 < len(changes) <= MAX_CHANGES and _size(changes) <= MAX_COMMIT_BYTES * 0.9:
            await self._registry.commit(changes)
            return
        batch: list[Change] = []
        size = 0
        for change in changes:
            weight = len(json.dumps(change.value)) + len(change.key)
            if batch and (len(batch) >= MAX_CHANGES or size + weight > MAX_COMMIT_BYTES * 0.9):
                await self._registry.commit(batch)
                batch, size = [], 0
            batch.append(change)
            size += weight
        if batch:
            await self._registry.commit(batch)


def _size(changes: Sequence[Change]) -> int:
    # All in one go: each call of `dumps` costs as much as a small value.
    return len(json.dumps([change.value for change in changes])) + sum(len(change.key) for change in changes)


def _wish_changes(project: str, wishes: Mapping[str, Wish]) -> list[Change]:
    return [Change("wish", f"{project}/{name}", wish.to_json()) for name, wish in wishes.items()]


def _pair(key: str) -> tuple[str, str]:
    project, _, service = key.partition("/")
    return project, service
