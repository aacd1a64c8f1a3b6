"""The configuration as frozen values, made from canonical JSON.

`config.validate` turns what a person wrote into canonical JSON: defaults filled in, durations in seconds, sizes in bytes,
paths absolute, variables resolved. This module turns that JSON into values; the registry stores the JSON, so a daemon
that comes back reads exactly what was applied.

Strings in canonical JSON are *templates*: `$$` is a dollar, `${service.property}` a reference that the engine renders at
each start, as seen by the service that asks (see `harness_core.template`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from harness_core.contracts.run import Limits, LogSettings

IRRELEVANT = ("inherited_env", "env_files", "description", "profiles")
"""Keys whose change is no change of what runs."""


class Condition(StrEnum):
    """What a dependency must have reached before a dependent starts."""

    STARTED = "started"
    HEALTHY = "healthy"
    COMPLETED = "completed"


class RestartWhen(StrEnum):
    """When an ended run is followed by another."""

    NO = "no"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"
    UNLESS_STOPPED = "unless-stopped"


@dataclass(frozen=True, slots=True)
class CommandConfig:
    """What to execute, for executors with COMMAND. `argv` holds templates; `shell`: argv[0] is one line for `/bin/sh -c`."""

    argv: tuple[str, ...]
    working_dir: str
    shell: bool = False
    stdin: bool = False
    tty: bool = False


@dataclass(frozen=True, slots=True)
class PortConfig:
    """A port as configured. `inner` None: `auto`. `outer` None: the same as inner where one network is shared, else chosen."""

    name: str
    inner: int | None
    outer: int | None
    protocol: str


@dataclass(frozen=True, slots=True)
class HealthConfig:
    """One check and its clock; times in seconds."""

    check: str
    config: Any
    interval: float
    timeout: float
    retries: int
    successes: int
    start_period: float
    restart_on_failure: bool


@dataclass(frozen=True, slots=True)
class RestartConfig:
    """When and how fast to restart; times in seconds."""

    when: RestartWhen
    backoff: float
    max_backoff: float
    max_restarts: int
    window: float


@dataclass(frozen=True, slots=True)
class StopConfig:
    """How a service is asked to end: `signal` None = what the place prefers; `command` runs inside the place first."""

    signal: str | None
    timeout: float
    command: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class LayerConfig:
    """One layer: its type and its own keys."""

    type: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """One service, ready to be planned and started."""

    name: str
    type: str
    """the offer's own name, never an alias"""
    config: Mapping[str, Any]
    """the executor's own keys"""
    command: CommandConfig | None
    env: Mapping[str, str]
    """`env_file`s and `env` merged; templates"""
    env_files: Mapping[str, str]
    """the file of each variable of `env` that came from one; not part of the digest"""
    inherited_env: Mapping[str, str]
    """PATH, HOME … and what `inherit_env` names, of the person who applied; literal; not part of the digest"""
    dependencies: Mapping[str, Condition]
    """written ones and those implied by references"""
    health_check: HealthConfig | None
    restart: RestartConfig
    stop: StopConfig
    oneshot: bool
    startup_timeout: float
    layers: tuple[LayerConfig, ...]
    """outermost first"""
    ports: tuple[PortConfig, ...]
    labels: Mapping[str, str]
    limits: Limits
    logs: LogSettings
    network: str | None
    description: str
    profiles: tuple[str, ...]
    """it runs only when one of these is named, or it is itself; none: always; not part of the digest"""
    secrets: frozenset[str]
    """values that must never be shown"""
    base_dir: str
    block: Mapping[str, Any] = field(repr=False, hash=False, compare=False)
    """the canonical JSON that this was made from"""
    _digest: list[str] = field(default_factory=list, init=False, repr=False, hash=False, compare=False)
    """the digest, once it was asked for"""

    @property
    def digest(self) -> str:
        """Changes exactly when the definition does: not with key order, nor with the inherited environment."""
        # Kept: each plan and each launch asks several times, and to work it out takes longer than all that they compare.
        if not self._digest:
            self._digest.append(self._work_out_digest())
        return self._digest[0]

    def _work_out_digest(self) -> str:
        # Secrets stand in `env` and `config` already; those of the inherited environment must not count.
        relevant = {k: v for k, v in self.block.items() if k not in ("secrets", *IRRELEVANT)}
        return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ProjectConfig:
    """One project: its identity and its services by name."""

    id: str
    """the key of everything: `name-hash` of the first config file's real path, or what `-p` says"""
    name: str
    path: str
    """the first config file"""
    description: str
    services: Mapping[str, ServiceConfig]
    networks: Mapping[str, Any]
    profiles: tuple[str, ...] = ()
    """those that were named when this was applied"""

    def enabled(self, more: Iterable[str] = ()) -> list[str]:
        """The services that run without being named, by these profiles and `more`."""
        active = {*self.profiles, *more}
        return [name for name, service in self.services.items() if runs_with(service.profiles, active)]


def runs_with(profiles: Collection[str], active: Collection[str]) -> bool:
    """Whether a service with these profiles runs when those are named; `*` names all."""
    return not profiles or "*" in active or any(profile in active for profile in profiles)


def service_from_json(name: str, block: Mapping[str, Any]) -> ServiceConfig:
    """The service that canonical JSON describes; every key must be there (`config.validate` writes them all)."""
    command = block["command"]
    health = block["health_check"]
    return ServiceConfig(
        name=name,
        type=block["type"],
        config=block["config"],
        command=CommandConfig(**{**command, "argv": tuple(command["argv"])}) if command else None,
        env=block["env"],
        env_files=block.get("env_files", {}),  # what was applied by an older version has none
        inherited_env=block["inherited_env"],
        dependencies={k: Condition(v) for k, v in block["dependencies"].items()},
        health_check=HealthConfig(**health) if health else None,
        restart=RestartConfig(**{**block["restart"], "when": RestartWhen(block["restart"]["when"])}),
        stop=StopConfig(**{**block["stop"], "command": tuple(c) if (c := block["stop"]["command"]) else None}),
        oneshot=block["oneshot"],
        startup_timeout=block["startup_timeout"],
        layers=tuple(LayerConfig(layer["type"], layer["config"]) for layer in block["layers"]),
        ports=tuple(PortConfig(**port) for port in block["ports"]),
        labels=block["labels"],
        limits=Limits(**block["limits"]),
        logs=LogSettings(**block["logs"]),
        network=block["network"],
        description=block["description"],
        profiles=tuple(block.get("profiles", ())),  # the registry may hold a block from before there were any
        secrets=frozenset(block["secrets"]),
        base_dir=block["base_dir"],
        block=block,
    )


def project_from_json(body: Mapping[str, Any]) -> ProjectConfig:
    """The project that canonical JSON describes."""
    return ProjectConfig(
        id=body["id"],
        name=body["name"],
        path=body["path"],
        description=body["description"],
        services={name: service_from_json(name, block) for name, block in body["services"].items()},
        networks=body["networks"],
        profiles=tuple(body.get("profiles", ())),
    )


def project_to_json(project: ProjectConfig) -> dict[str, Any]:
    """The canonical JSON of a project."""
    return {
        "id": project.id,
        "name": project.name,
        "path": project.path,
        "description": project.description,
        "services": {name: dict(service.block) for name, service in project.services.items()},
        "networks": dict(project.networks),
        "profiles": list(project.profiles),
    }
