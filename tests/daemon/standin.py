"""StandIn: an engine whose answers a test dictates, so that the door is tested apart from what lies behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from harness_core.contracts.clock import SystemClock
from harness_core.contracts.errors import HarnessError
from harness_core.contracts.events import Note
from harness_core.engine.bus import Bus


class UnknownProject(HarnessError):
    kind = "project.unknown"


class StandInLogs:
    def __init__(self) -> None:
        self.lines = 3
        self.read_lines = 0
        self.text = "line"

    async def read(self, project: str, services: Any, **query: Any) -> AsyncIterator[dict[str, Any]]:
        for number in range(self.lines):
            self.read_lines += 1
            yield {"type": "log", "service": "api", "text": f"{self.text} {number}", "cursor": f"c{number}", "end": True}
        if query["follow"]:
            await asyncio.Event().wait()


class StandIn:
    """Knows one project, `shop`, with one service, `api`."""

    def __init__(self) -> None:
        self.bus = Bus(SystemClock())
        self.epoch = self.bus.epoch
        self.degraded: str | None = None
        self.logs = StandInLogs()
        self.stopped: list[str] = []
        self.cancelled = 0
        self.hold: asyncio.Event | None = None
        self.service_fields: dict[str, Any] = {}

    async def open(self) -> None:
        return None

    async def aclose(self) -> None:
        return None

    async def end_keeper(self) -> None:
        return None

    @property
    def idle(self) -> bool:
        return True

    async def start(self, project: str, services: Any, *, by: str, **_: Any) -> dict[str, Any]:
        self._known(project)
        self.bus.publish(Note, project=project, service="api", detail=f"started by {by}")
        if self.hold is not None:
            try:
                await self.hold.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        self.bus.publish(Note, project=project, service="api", detail="done")
        return {"reached": True, "timed_out": False, "services": []}

    async def stop(self, project: str, services: Any, **_: Any) -> dict[str, Any]:
        self._known(project)
        self.stopped.append(project)
        return {"reached": True, "timed_out": False, "services": []}

    async def status(self, project: str, services: Any, *, detailed: bool) -> dict[str, Any]:
        self._known(project)
        service = {"name": "api", "type": "process", "state": "running", "health": "healthy", **self.service_fields}
        return {"project": project, "name": project, "path": "/x", "degraded": None, "services": [service]}

    def projects(self) -> list[dict[str, Any]]:
        return [{"id": "shop", "name": "shop", "path": "/x", "wanted": 1, "running": 1, "services": 1}]

    async def why(self, project: str, service: str) -> dict[str, Any]:
        raise ZeroDivisionError("SUPER_SECRET=hunter22")

    async def keeper_stats(self) -> dict[str, Any]:
        return {"pid": 1}

    def _known(self, project: str) -> None:
        if project != "shop":
            raise UnknownProject(f"no project {project!r}", hint="known: shop")
