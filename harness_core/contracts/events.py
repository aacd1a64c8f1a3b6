"""Events: frozen, typed news about services; only core creates them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from harness_core.contracts.run import Exit


class State(StrEnum):
    """What a service is doing."""

    STOPPED = "stopped"
    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    UNHEALTHY = "unhealthy"
    STOPPING = "stopping"
    COMPLETED = "completed"
    BACKOFF = "backoff"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    LOST = "lost"
    STOP_STUCK = "stop-stuck"
    BLOCKED = "blocked"
    DRIVER_MISSING = "driver-missing"


class HealthState(StrEnum):
    """What the probes say of the present run; `none`: there is no check."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base: `seq` is dense within the daemon's epoch; `run` is None for news that belongs to no run."""

    kind: ClassVar[str] = ""
    project: str
    service: str | None
    run: str | None
    seq: int
    at: datetime

    def to_json(self) -> dict[str, Any]:
        """The event as it stands on the wire and in the store."""
        body: dict[str, Any] = {"kind": self.kind}
        for name in _NAMES[type(self)]:
            value = getattr(self, name)
            body[name] = value if value.__class__ in _AS_IT_IS else _plain(value)
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged(Event):
    """A service went from one state to another; `reason` is a sentence."""

    kind: ClassVar[str] = "state"
    old: State
    new: State
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """A run's main process exists."""

    kind: ClassVar[str] = "started"
    ref: str
    recovered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited(Event):
    """A run ended; `intended` when we asked for it."""

    kind: ClassVar[str] = "exited"
    exit: Exit
    intended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChanged(Event):
    """The verdict of the probes changed."""

    kind: ClassVar[str] = "health"
    old: HealthState
    new: HealthState
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested(Event):
    """A stop began: who asked, which signal, how many seconds until KILL."""

    kind: ClassVar[str] = "stop-requested"
    by: str
    signal: str | None
    grace: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed(Event):
    """KILL was sent to the whole tree, because of `reason`; `survivors` could not be killed."""

    kind: ClassVar[str] = "killed"
    reason: str
    survivors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartScheduled(Event):
    """A run ended and another is due in `delay` seconds; `attempt` counts within the window."""

    kind: ClassVar[str] = "restart-scheduled"
    delay: float
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointsChanged(Event):
    """How the service is reached, as `url` texts by endpoint name."""

    kind: ClassVar[str] = "endpoints"
    endpoints: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied(Event):
    """A configuration took effect: names added, changed, removed."""

    kind: ClassVar[str] = "applied"
    by: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Event):
    """A long step goes on: pulling, waiting for a dependency."""

    kind: ClassVar[str] = "progress"
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Event):
    """Something worth knowing that changes no state."""

    kind: ClassVar[str] = "note"
    detail: str


EVENT_KINDS: tuple[type[Event], ...] = (
    StateChanged, Started, Exited, HealthChanged, StopRequested, Killed, RestartScheduled, EndpointsChanged, Applied,
    Progress, Note,
)  # fmt: skip


_AS_IT_IS = frozenset({str, int, float, bool, type(None)})
_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in EVENT_KINDS}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Exit):
        return exit_to_json(value)
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def exit_to_json(exit: Exit) -> dict[str, Any]:
    """An exit as it stands on the wire; all four fields are always there."""
    return {
        "code": exit.code,
        "signal": exit.signal,
        "reason": exit.reason,
        "at": exit.at.isoformat() if exit.at else None,
    }


def exit_from_json(body: dict[str, Any]) -> Exit:
    """The exit that `exit_to_json` wrote."""
    at = body.get("at")
    return Exit(body.get("code"), body.get("signal"), body.get("reason"), datetime.fromisoformat(at) if at else None)
