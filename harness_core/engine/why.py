"""Why: the cause of a service's state, in words. Pure but for what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from harness_core.config.durations import format_duration
from harness_core.contracts.events import HealthState, State, exit_to_json
from harness_core.engine.restart import describe
from harness_core.engine.supervisor import Supervisor


def why(supervisor: Supervisor, events: Sequence[dict[str, Any]], last_lines: Sequence[str], *, now: datetime) -> dict[str, Any]:
    """What `services.why` answers."""
    probes = [{"at": p.at.isoformat(), "healthy": p.healthy, "detail": p.detail} for p in supervisor.probes]
    return {
        "service": supervisor.name,
        "state": str(supervisor.state),
        "summary": _summary(supervisor, events, now),
        "causes": _causes(supervisor, events),
        "events": list(events),
        "probes": probes,
        "exit": exit_to_json(supervisor.exit) if supervisor.exit else None,
        "last_lines": list(last_lines),
    }


def _summary(supervisor: Supervisor, events: Sequence[dict[str, Any]], now: datetime) -> str:
    name, reason = supervisor.name, supervisor.reason
    since = f"for {format_duration(max(0, round((now - supervisor.state_since).total_seconds())))}"
    match supervisor.state:
        case State.WAITING:
            return f"{name} is {reason} ({since})"
        case State.BLOCKED:
            return f"{name} can't start: {reason}"
        case State.BACKOFF:
            return f"{name} {reason} and will be started again{_after(supervisor, events)}"
        case State.FAILED:
            return f"{name} failed: {reason}"
        case State.COMPLETED:
            return f"{name} has completed"
        case State.STOPPED if supervisor.exit is not None and not reason.startswith("asked"):
            return f"{name} is stopped: it {describe(supervisor.exit)}"
        case State.STOPPED if not reason and supervisor.config.profiles:
            profiles = ", ".join(supervisor.config.profiles)
            return f"{name} was not started: it runs when it is named, or its profile is ({profiles})"
        case State.STOPPED:
            return f"{name} is stopped" + (f": {reason}" if reason else "")
        case State.UNHEALTHY:
            return f"{name} runs and is unhealthy: {reason}"
        case State.RUNNING if supervisor.health is HealthState.STARTING:
            return f"{name} runs ({since}{_after(supervisor, events)}), not yet healthy" + (f": {reason}" if reason else "")
        case State.RUNNING:
            healthy = " and is healthy" if supervisor.health is HealthState.HEALTHY else ""
            return f"{name} runs{healthy} ({since}{_after(supervisor, events)})"
    return f"{name} is {supervisor.state}" + (f": {reason}" if reason else "")


def _after(supervisor: Supervisor, events: Sequence[dict[str, Any]]) -> str:
    """How often it was restarted, and what its last run came to."""
    if not supervisor.restarts:
        return ""
    times = f", restarted {supervisor.restarts} time{'s' if supervisor.restarts > 1 else ''}"
    ends = [event["exit"] for event in events if event["kind"] == "exited"]
    return f"{times}; before, it {_exit(ends[-1])}" if ends and supervisor.state is not State.BACKOFF else times


def _causes(supervisor: Supervisor, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    # What was before somebody had it started explains nothing any more.
    asked = max((event["seq"] for event in events if _begins_anew(event)), default=0)
    relevant = [event for event in events if event["seq"] >= asked]
    causes = [{"at": event["at"], "text": sentence} for event in relevant if (sentence := _sentence(event))]
    return [*causes, {"at": None, "text": f"last asked by {supervisor.by}"}] if supervisor.by else causes


def _begins_anew(event: dict[str, Any]) -> bool:
    """Only an order leads out of these states."""
    return event["kind"] == "state" and event["old"] in ("stopped", "failed", "completed") and event["new"] != "stopped"


def _sentence(event: dict[str, Any]) -> str | None:
    match event["kind"]:
        case "exited":
            how = _exit(event["exit"])
            return f"{how} as asked" if event["intended"] else how
        case "restart-scheduled":
            return f"restart {event['attempt']} in {event['delay']:.1f} s"
        case "stop-requested":
            return f"stop asked by {event['by']}, {event['grace']:g} s until KILL"
        case "killed":
            left = f"; still alive: {', '.join(event['survivors'])}" if event["survivors"] else ""
            return f"KILL to the whole tree: {event['reason']}{left}"
        case "health" if event["new"] == "unhealthy":
            return f"became unhealthy: {event['detail']}"
        case "state" if event["new"] in ("failed", "blocked", "lost", "stop-stuck", "driver-missing", "unreachable"):
            return f"{event['new']}: {event['reason']}"
        case "note":
            return str(event["detail"])
    return None


def _exit(exit: dict[str, Any]) -> str:
    why = f" ({exit['reason']})" if exit["reason"] else ""
    if exit["signal"]:
        return f"ended by signal {exit['signal']}{why}"
    return f"exited with code {exit['code']}{why}" if exit["code"] is not None else f"ended, exit code unknown{why}"
