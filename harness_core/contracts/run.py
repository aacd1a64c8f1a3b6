"""One run of a service, as values: what to launch, what came of it, what is found later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harness_core.contracts.command import Command
from harness_core.contracts.place import Port


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended. `code` and `signal` both None: unknown, never to be read as 0.

    `reason` is `oom`, `lost`, `evicted` or free text; `signal` is a name without SIG.
    """

    code: int | None = None
    signal: str | None = None
    reason: str | None = None
    at: datetime | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it ended with code 0."""
        return self.code == 0


@dataclass(frozen=True, slots=True)
class HandleState:
    """Enough to recover a handle, as (version, JSON)."""

    version: int
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stats:
    """What a run uses now: bytes of memory, CPU seconds since its start, number of processes; None = unknown."""

    memory: int | None = None
    cpu_seconds: float | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds for a run: bytes of memory, cores, processes, open files; None = no bound of ours."""

    memory: int | None = None
    cpu: float | None = None
    pids: int | None = None
    nofile: int | None = None


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How output is kept: one stream instead of two, bytes a segment, segments kept, finished runs kept."""

    merge: bool = False
    max_size: int = 16 * 1024 * 1024
    keep: int = 4
    keep_runs: int = 2


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """All that an executor is told about one run. `config` holds the executor's own keys, rendered.

    `command` is given where the offer has COMMAND, layers already applied. `env` is the service's whole environment.
    `secrets` are values that must never be shown. `base_dir` is the folder of the config file.
    """

    project: str
    service: str
    run: str
    config: Mapping[str, Any] = field(default_factory=dict)
    command: Command | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    limits: Limits = Limits()
    labels: Mapping[str, str] = field(default_factory=dict)
    base_dir: str = "/"
    logs: LogSettings = LogSettings()
    secrets: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"LaunchSpec({self.project}/{self.service} run {self.run}, config={sorted(self.config)}, env={sorted(self.env)})"


@dataclass(frozen=True, slots=True)
class Found:
    """Something that carries our mark, found by `survey`."""

    project: str
    service: str
    run: str
    ref: str
    state: HandleState | None = None
    spec: Mapping[str, Any] | None = None
    """The stored spec as JSON where the place keeps it, so that a lost database can still adopt."""


def spec_to_json(spec: LaunchSpec) -> dict[str, Any]:
    """Every field of a spec as JSON, values that contain a secret blank: what core and places keep of a run."""
    command = spec.command
    limits, logs = spec.limits, spec.logs
    body = {
        "project": spec.project,
        "service": spec.service,
        "run": spec.run,
        "config": _blanked(spec.config, ()),
        "command": None
        if command is None
        else {
            "argv": [*command.argv],
            "env": {**command.env},
            "cwd": command.cwd,
            "stdin": command.stdin,
            "tty": command.tty,
            "prologue": "",
            "user": command.user,
        },
        "env": {**spec.env},
        "ports": [{"name": p.name, "inner": p.inner, "outer": p.outer, "protocol": p.protocol} for p in spec.ports],
        "limits": {"memory": limits.memory, "cpu": limits.cpu, "pids": limits.pids, "nofile": limits.nofile},
        "labels": {**spec.labels},
        "base_dir": spec.base_dir,
        "logs": {"merge": logs.merge, "max_size": logs.max_size, "keep": logs.keep, "keep_runs": logs.keep_runs},
        "secrets": [],
    }
    hidden = [secret for secret in spec.secrets if secret]
    return _blanked(body, hidden) if hidden else body


def spec_from_json(body: Mapping[str, Any]) -> LaunchSpec:
    """The spec that `spec_to_json` wrote."""
    command = body["command"]
    return LaunchSpec(
        project=body["project"],
        service=body["service"],
        run=body["run"],
        config=body["config"],
        command=Command(**{**command, "argv": tuple(command["argv"]), "prologue": b""}) if command else None,
        env=body["env"],
        ports=tuple(Port(**port) for port in body["ports"]),
        limits=Limits(**body["limits"]),
        labels=body["labels"],
        base_dir=body["base_dir"],
        logs=LogSettings(**body["logs"]),
    )


def _blanked(value: Any, hidden: Sequence[str]) -> Any:
    if isinstance(value, str):
        return "" if any(secret in value for secret in hidden) else value
    if isinstance(value, Mapping):
        return {key: _blanked(item, hidden) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_blanked(item, hidden) for item in value]
    return value
