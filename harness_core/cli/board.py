"""Board: the present state of each service, kept up to date by stream items; what a waiting person is shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness_core.cli.render_status import STATE_STYLES, urls
from harness_core.cli.text import Line, Span, Style, line, visible
from harness_core.cli.words import duration, ending

_MOVING = frozenset({"waiting", "starting", "stopping", "backoff", "unreachable"})
_LIVE = _MOVING | {"running", "unhealthy", "stop-stuck"}
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@dataclass(frozen=True, slots=True)
class Row:
    """One service as far as events tell; `since` and `kill_at` are monotonic. `stopped` means: by somebody's wish."""

    name: str
    state: str = "stopped"
    health: str = "none"
    reason: str = ""
    detail: str = ""
    """what the last probe said, or how a long step goes on"""
    exit: Mapping[str, Any] | None = None
    stopped: bool = False
    kill_at: float | None = None
    since: float = 0.0
    started_at: str | None = None
    """when its present run began, RFC 3339"""
    address: str = ""

    @property
    def moving(self) -> bool:
        """Whether it is on its way to something."""
        return self.state in _MOVING or (self.state in ("running", "unhealthy") and self.health in ("starting", "unhealthy"))

    @property
    def live(self) -> bool:
        """Whether it runs, or may run without anybody asking again."""
        return self.state in _LIVE

    @property
    def failed(self) -> bool:
        """Whether it ended, or never began, in a way that nobody wished."""
        if self.state in ("completed",) or self.live:
            return False
        if self.state == "stopped":
            return not self.stopped and self.exit is not None and self.exit.get("code") != 0
        return True

    def beat(self, now: float) -> str:
        """Name, and what is awaited: `db: waiting for healthy, 12s, last probe: refused`."""
        return f"{self.name}: {self.awaited(now)}"

    def awaited(self, now: float) -> str:
        """What is awaited, since when, and what was seen last."""
        if self.state == "stopping" and self.kill_at is not None:
            return f"stopping, KILL in {max(0, round(self.kill_at - now))}s"
        awaited = {"starting": "starting", "stopping": "stopping"}.get(self.state, self.reason or self.state)
        if self.state in ("starting", "running", "unhealthy") and self.health in ("starting", "unhealthy"):
            awaited = "waiting for healthy"
        source = "last probe: " if self.health != "none" else ""
        last = f", {source}{visible(self.detail)}" if self.detail else ""
        return f"{visible(awaited)}, {duration(now - self.since)}{last}"


class Board:
    """The services of a project, by name; only `names` where given."""

    def __init__(self, names: Collection[str] | None = None) -> None:
        self.rows: dict[str, Row] = {}
        self.queued = ""
        """whose turn it is, while a request waits for another one to be carried out"""
        self._names = names

    def take(self, item: Mapping[str, Any], now: float) -> None:
        """Learn from one stream item."""
        if item["type"] == "reset":
            for service in item["services"]:
                self.learn(service, now)
        elif item["type"] == "progress" and item["service"]:
            self._change(item["service"], now, detail=item["detail"])
        elif item["type"] == "event" and item["event"]["service"] is not None:
            self.queued = "" if item["event"]["kind"] == "state" else self.queued
            self._event(item["event"], now)
        elif item["type"] == "event" and item["event"]["kind"] == "progress":
            self.queued = item["event"]["detail"]

    def learn(self, status: Mapping[str, Any], now: float) -> None:
        """Learn from a service's whole status."""
        wanted = bool(status.get("wanted", True))
        fields = {key: status.get(key) for key in ("state", "health", "exit")}
        self._change(
            status["name"], now, **fields, reason=status.get("reason") or "", stopped=not wanted,
            started_at=status.get("started_at"), address=urls(status.get("endpoints")),
        )  # fmt: skip

    def moving(self) -> list[Row]:
        """Services on their way, longest first."""
        return sorted((row for row in self.rows.values() if row.moving), key=lambda row: (row.since, row.name))

    def lines(self, now: float, *, room: int) -> list[Line]:
        """What to show at the bottom: who is on the way, then the counts."""
        moving = self.moving()
        shown = moving[: max(0, room - 2)] if len(moving) > room - 1 else moving
        lines = [line(Span(f"{spinner(now)} ", Style.CARE), row.beat(now)) for row in shown]
        if self.queued and not moving:
            lines.append(line(Span(f"{spinner(now)} ", Style.CARE), visible(self.queued)))
        if len(shown) < len(moving):
            lines.append(line(Span(f"  … and {len(moving) - len(shown)} more", Style.FAINT)))
        return [*lines, counts(self.rows.values())]

    def _event(self, event: Mapping[str, Any], now: float) -> None:
        name = event["service"]
        match event["kind"]:
            case "state":
                began = event["new"] in ("waiting", "starting")
                more = {"exit": None, "stopped": False, "health": "none", "kill_at": None} if began else {}
                self._change(name, now, state=event["new"], reason=event["reason"], detail="", **more)
            case "started":
                self._change(name, now, started_at=event["at"])
            case "endpoints":
                self._change(name, now, address=urls(event["endpoints"]))
            case "health":
                self._change(name, now, health=event["new"], detail=event["detail"])
            case "stop-requested":
                self._change(name, now, stopped=True, kill_at=now + event["grace"])
            case "exited":
                stopped = self.rows.get(name, Row(name)).stopped or event["intended"]
                self._change(name, now, exit=event["exit"], health="none", stopped=stopped, detail=ending(event["exit"]))
            case "progress":
                self._change(name, now, detail=event["detail"])

    def _change(self, name: str, now: float, **changes: Any) -> None:
        if self._names is not None and name not in self._names:
            return
        row = self.rows.get(name) or Row(name, since=now)
        if changes.get("state", row.state) != row.state or changes.get("health", row.health) != row.health:
            changes["since"] = now
        self.rows[name] = replace(row, **changes)


def counts(rows: Iterable[Row]) -> Line:
    """`5 running · 1 starting`."""
    numbers: dict[str, int] = {}
    for row in rows:
        numbers[row.state] = numbers.get(row.state, 0) + 1
    parts: list[str | Span] = []
    for state, count in sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0])):
        parts += [Span(" · ", Style.FAINT)] if parts else []
        parts.append(Span(f"{count} {state}", STATE_STYLES.get(state, Style.PLAIN)))
    return line(*parts)


def spinner(now: float) -> str:
    """A sign of life, another one five times a second."""
    return _SPINNER[int(now * 5) % len(_SPINNER)]
