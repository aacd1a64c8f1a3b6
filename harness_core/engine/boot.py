"""Boot: what a daemon that comes back finds, adopted before anything is started. Desired is never derived from observed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harness_core.config.model import ProjectConfig, ServiceConfig, project_from_json
from harness_core.contracts.clock import Clock
from harness_core.contracts.errors import HarnessError, Unreachable
from harness_core.contracts.events import State
from harness_core.contracts.execution import Launcher, ProcessHandle
from harness_core.contracts.run import Exit, Found, HandleState, LaunchSpec, spec_from_json, spec_to_json
from harness_core.engine.drivers import Drivers
from harness_core.engine.run import Run
from harness_core.engine.store import Remembered, RunRecord, Store

SURVEY_TIMEOUT = 15.0
RECOVER_TIMEOUT = 15.0
RECOVERIES_AT_ONCE = 64
_AT_REST = frozenset({State.STOPPED, State.FAILED, State.COMPLETED})
"""From these an order alone leads on, and an order counts restarts anew."""
ADOPTED = "adopted: its configuration is not known"


@dataclass(slots=True)
class Trace:
    """What is known of one run before anybody was asked: from the registry, from a survey, or both."""

    project: str
    service: str
    run: str
    type: str
    spec: LaunchSpec
    state: HandleState | None
    started_at: datetime | None = None
    exit: Exit | None = None


@dataclass(slots=True)
class Finding:
    """What came of one trace: a run that we hold again, certainly gone, or a place that can't be asked."""

    trace: Trace
    run: Run | None = None
    unreachable: str | None = None

    @property
    def over(self) -> bool:
        """Whether the run has certainly ended."""
        return self.trace.exit is not None or (self.run is None and self.unreachable is None)


@dataclass(slots=True)
class Recovered:
    """All findings by (project, service), oldest run first; and what went wrong on the way."""

    findings: dict[tuple[str, str], list[Finding]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    def forget_ended_of_strangers(self, known: Mapping[str, ProjectConfig], store: Store) -> None:
        """Leave out runs that have ended and whose project nobody remembers: a crash cut short that it was forgotten."""
        for key in [key for key in self.findings if key[0] not in known]:
            for finding in self.findings[key]:
                if finding.over:
                    store.forget_run_later(finding.trace.run)
            self.findings[key] = [finding for finding in self.findings[key] if not finding.over]
            if not self.findings[key]:
                del self.findings[key]


async def recover_all(remembered: Remembered, drivers: Drivers, clock: Clock, log: logging.Logger) -> Recovered:
    """Every run that the registry or a place remembers, recovered where it can be."""
    recovered = Recovered()
    found: list[tuple[str, Found]] = []
    for name, result in await _survey(drivers):
        if isinstance(result, BaseException):
            log.error("survey of executor %s failed: %s", name, result)
            recovered.troubles.append(f"executor {name!r} could not say what runs: {result}")
        else:
            found += [(name, item) for item in result]
    traces = _traces(remembered.runs, found)
    gate = asyncio.Semaphore(RECOVERIES_AT_ONCE)
    for finding in await asyncio.gather(*(_recover(trace, drivers, clock, gate, log) for trace in traces)):
        recovered.findings.setdefault((finding.trace.project, finding.trace.service), []).append(finding)
    return recovered


async def find_again(trace: Trace, drivers: Drivers, clock: Clock, log: logging.Logger) -> Finding:
    """Ask once more for a run whose place could not be asked."""
    return await _recover(trace, drivers, clock, asyncio.Semaphore(1), log)


def restarts_in(events: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """How often each (project, service) was restarted by its policy since it last came to rest."""
    restarts: dict[tuple[str, str], int] = {}
    for event in events:
        key = event["project"], event["service"]
        if event["kind"] == "restart-scheduled":
            restarts[key] = restarts.get(key, 0) + 1
        elif event["kind"] == "state" and event["new"] in _AT_REST:
            restarts.pop(key, None)
    return restarts


def orphan_projects(known: Mapping[str, ProjectConfig], traces: Iterable[Trace]) -> dict[str, ProjectConfig]:
    """Configurations for runs of projects that nobody remembers: enough to show, watch and stop them."""
    blocks: dict[str, dict[str, Any]] = {}
    for trace in traces:
        if trace.project not in known:
            blocks.setdefault(trace.project, {})[trace.service] = adopted_block(trace)
    return {
        project: project_from_json(
            {"id": project, "name": project, "path": "", "description": "", "services": services, "networks": {}}
        )
        for project, services in blocks.items()
    }


def adopted_block(trace: Trace) -> dict[str, Any]:
    """The canonical JSON of a service of which only a run is known; it is not restarted, for nobody knows how."""
    spec = spec_to_json(trace.spec)
    command = spec["command"]
    return {
        "type": trace.type,
        "config": _literal(spec["config"]),
        "command": {
            "argv": _literal(list(command["argv"])), "working_dir": _literal(command["cwd"] or "/"), "shell": False,
            "stdin": command["stdin"], "tty": command["tty"],
        } if command else None,
        "env": {},
        "inherited_env": {},
        "dependencies": {},
        "health_check": None,
        "restart": {"when": "no", "backoff": 0.5, "max_backoff": 60.0, "max_restarts": 5, "window": 60.0},
        "stop": {"signal": None, "timeout": 10.0, "command": None},
        "oneshot": False,
        "startup_timeout": 60.0,
        "layers": [],
        "ports": [
            {"name": p["name"], "inner": p["inner"], "outer": p["outer"], "protocol": p["protocol"]} for p in spec["ports"]
        ],
        "labels": {},
        "limits": spec["limits"],
        "logs": spec["logs"],
        "network": None,
        "description": ADOPTED,
        "secrets": [],
        "base_dir": spec["base_dir"],
    }  # fmt: skip


def made_up(config: ServiceConfig) -> bool:
    """Whether a configuration stands for an adopted run and is not a person's own."""
    return config.description == ADOPTED


async def _survey(drivers: Drivers) -> list[tuple[str, Any]]:
    names = drivers.recoverable()

    async def ask(name: str) -> Any:
        executor = drivers.executor(name)
        if not isinstance(executor, Launcher):
            return ()
        async with asyncio.timeout(SURVEY_TIMEOUT):
            return await executor.survey()

    return list(zip(names, await asyncio.gather(*map(ask, names), return_exceptions=True), strict=True))


def _traces(records: Iterable[RunRecord], found: Iterable[tuple[str, Found]]) -> list[Trace]:
    traces: dict[str, Trace] = {}
    for record in records:
        traces[record.run] = Trace(
            record.project, record.service, record.run, record.type, spec_from_json(record.spec), record.state,
            datetime.fromisoformat(record.started_at), record.exit,
        )  # fmt: skip
    for type, item in found:
        if item.run not in traces:
            spec = spec_from_json(item.spec) if item.spec else LaunchSpec(item.project, item.service, item.run)
            traces[item.run] = Trace(item.project, item.service, item.run, type, spec, item.state)
    # Run ids sort by time.
    return sorted(traces.values(), key=lambda trace: trace.run)


async def _recover(trace: Trace, drivers: Drivers, clock: Clock, gate: asyncio.Semaphore, log: logging.Logger) -> Finding:
    async with gate:
        try:
            executor = drivers.executor(trace.type)
            if not isinstance(executor, Launcher):
                return Finding(trace)
            async with asyncio.timeout(RECOVER_TIMEOUT):
                handle = await executor.recover(trace.spec, trace.state)
        except (Unreachable, TimeoutError) as error:
            return Finding(trace, unreachable=str(error) or "no answer")
        except HarnessError as error:
            return Finding(trace, unreachable=error.message)
        except Exception as error:
            log.exception("recover of run %s by executor %s", trace.run, trace.type)
            return Finding(trace, unreachable=f"executor {trace.type!r} crashed: {error!r}")
    return Finding(trace, run=_run(trace, handle, clock) if handle is not None else None)


def _run(trace: Trace, handle: ProcessHandle, clock: Clock) -> Run:
    started = trace.started_at or clock.now()
    # How long it has run is told by the wall clock of its start; negative after a step of that clock.
    age = max(0.0, (clock.now() - started).total_seconds())
    return Run(trace.run, handle, trace.spec, started, clock.monotonic() - age, trace.exit, recovered=True)


def _literal(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_literal(item) for item in value]
    return value
