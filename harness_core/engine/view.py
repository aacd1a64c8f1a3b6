"""View: what one service looks like from outside at a moment, and what that means to those who wait for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness_core.config.model import Condition, RestartWhen, ServiceConfig
from harness_core.contracts.events import HealthState, State
from harness_core.contracts.run import Exit
from harness_core.engine.restart import describe

SETTLE = 1.0
"""Seconds that a service without check must run before a start that waits counts it as reached."""


@dataclass(frozen=True, slots=True)
class View:
    """One service now. `busy`: an order to stop or restart is not yet carried out. `running_since` is monotonic."""

    config: ServiceConfig
    state: State
    health: HealthState
    reason: str
    exit: Exit | None
    wanted: bool
    busy: bool
    running_since: float | None


@dataclass(frozen=True, slots=True)
class Gate:
    """What keeps a service from starting: a dependency that failed, or ones that are not there yet; both None: nothing."""

    blocked: str | None = None
    waiting: str | None = None


def gate(dependencies: Mapping[str, Condition], peers: Mapping[str, View]) -> Gate:
    """What the dependencies say about starting now."""
    waiting = []
    for name, condition in sorted(dependencies.items()):
        peer = peers.get(name)
        if peer is None:
            return Gate(blocked=f"{name} does not exist")
        if satisfied(condition, peer):
            continue
        hopeless = _hopeless(condition, peer)
        if hopeless:
            return Gate(blocked=f"{name} {hopeless}")
        waiting.append(f"{name} to be {condition} ({_present(peer)})")
    return Gate(waiting="waiting for " + ", ".join(waiting) if waiting else None)


def satisfied(condition: Condition, peer: View) -> bool:
    """Whether a dependency has what its dependent needs, now and by its present run."""
    if peer.busy:
        return False
    match condition:
        case Condition.STARTED:
            return peer.state in (State.RUNNING, State.UNHEALTHY, State.COMPLETED)
        case Condition.HEALTHY:
            return peer.state is State.RUNNING and peer.health is HealthState.HEALTHY
        case Condition.COMPLETED:
            return peer.state is State.COMPLETED


class Reach(StrEnum):
    """What a start that waits can say about one service."""

    REACHED = "reached"
    PENDING = "pending"
    FAILED = "failed"


def reach(view: View, *, now: float) -> tuple[Reach, float | None]:
    """Whether the wished state was reached; for PENDING also the monotonic time at which to look again by itself."""
    if view.busy and view.state is not State.STOP_STUCK:
        return Reach.PENDING, None
    match view.state:
        case State.COMPLETED:
            return Reach.REACHED, None
        case State.FAILED | State.BLOCKED | State.DRIVER_MISSING | State.STOP_STUCK:
            return Reach.FAILED, None
        case State.STOPPED:
            return (Reach.PENDING, None) if view.wanted and view.exit is None else (Reach.FAILED, None)
        case State.RUNNING:
            return _running(view, now)
    return Reach.PENDING, None


def _running(view: View, now: float) -> tuple[Reach, float | None]:
    if view.config.oneshot:
        return Reach.PENDING, None
    if view.config.health_check is not None:
        return (Reach.REACHED, None) if view.health is HealthState.HEALTHY else (Reach.PENDING, None)
    settled = (view.running_since or now) + SETTLE
    return (Reach.REACHED, None) if now >= settled else (Reach.PENDING, settled)


def _hopeless(condition: Condition, peer: View) -> str | None:
    if peer.busy and peer.wanted and peer.state is not State.STOP_STUCK:
        return None  # it was asked to start: what its state says is of the time before
    match peer.state:
        case State.FAILED:
            return f"failed: {peer.reason}"
        case State.BLOCKED:
            return f"is blocked: {peer.reason}"
        case State.DRIVER_MISSING:
            return peer.reason
        case State.STOP_STUCK:
            return f"can't be stopped: {peer.reason}"
        case State.STOPPED if not peer.wanted and not peer.busy:
            return "is stopped"
        case State.STOPPED if peer.exit is not None and not peer.busy:
            return f"ended: {describe(peer.exit)}"
        case State.COMPLETED if condition is Condition.HEALTHY:
            return "has completed, so it can't be healthy"
    return None


def _present(peer: View) -> str:
    if peer.state in (State.RUNNING, State.UNHEALTHY) and peer.health is not HealthState.NONE:
        return f"{peer.state}, health {peer.health}" + (f": {peer.reason}" if peer.reason else "")
    if peer.state is State.STOPPED and (peer.busy or (peer.wanted and peer.exit is None)):
        return "not started yet"
    return str(peer.state)


def restarts_by_itself(config: ServiceConfig) -> bool:
    """Whether any end of this service is followed by another run."""
    return config.restart.when is not RestartWhen.NO
