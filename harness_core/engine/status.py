"""ServiceStatus: one service as `harness status` shows it."""

from __future__ import annotations

import asyncio
from typing import Any

from harness_core.contracts.errors import HarnessError
from harness_core.contracts.events import State, exit_to_json
from harness_core.contracts.execution import ProcessHandle
from harness_core.contracts.run import Stats
from harness_core.engine.standing import url_of
from harness_core.engine.supervisor import Supervisor

STATS_TIMEOUT = 3.0


def status_of(supervisor: Supervisor) -> dict[str, Any]:
    """The fields that are always there; `pid` and `containment` where the executor's handle state tells them."""
    run = supervisor.run
    told = run.handle.state().data if run is not None and isinstance(run.handle, ProcessHandle) else {}
    return {
        "name": supervisor.name,
        "type": supervisor.config.type,
        "state": str(supervisor.state),
        "health": str(supervisor.health),
        "pid": told.get("pid"),
        "run": run.id if run else None,
        "ref": run.handle.ref if run else None,
        "started_at": run.started_at.isoformat() if run else None,
        "since": supervisor.state_since.isoformat(),
        "restarts": supervisor.restarts,
        "exit": exit_to_json(supervisor.exit) if supervisor.exit else None,
        "reason": supervisor.reason,
        "endpoints": {e.name: url_of(e) for e in supervisor.endpoints if e.addresses},
        "containment": told.get("containment"),
        "oneshot": supervisor.config.oneshot,
        "wanted": supervisor.wanted,
        "waiting_for": supervisor.reason if supervisor.state in (State.WAITING, State.BLOCKED) else None,
        "description": supervisor.config.description,
    }


async def detailed_status_of(supervisor: Supervisor) -> dict[str, Any]:
    """The status with what must be asked for: memory, CPU, processes."""
    run = supervisor.run
    told = run.handle.state().data if run is not None and isinstance(run.handle, ProcessHandle) else {}
    stats = await _stats(supervisor)
    return {
        **status_of(supervisor),
        "memory": stats.memory,
        "cpu_seconds": stats.cpu_seconds,
        "processes": stats.processes,
        "crash_safe": told.get("crash_safe"),
        "notes": [*told.get("notes", ()), *supervisor.notes],
        "dependencies": {name: str(condition) for name, condition in supervisor.config.dependencies.items()},
    }


async def _stats(supervisor: Supervisor) -> Stats:
    if supervisor.run is None:
        return Stats()
    try:
        async with asyncio.timeout(STATS_TIMEOUT):
            return await supervisor.run.handle.stats()
    except (HarnessError, TimeoutError):
        return Stats()
