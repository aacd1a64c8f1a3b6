"""What `up` in the foreground was asked for, how far it is, and what it reads just now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness_core.client import Stream


class Phase(Enum):
    """What the loop is about."""

    STARTING = "starting"
    STAYING = "staying"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Wish:
    """What `up` was asked for. `started` are the services that did not run before; only these are stopped at the end."""

    project: str
    bundle: Mapping[str, Any]
    services: tuple[str, ...] | None
    shown: Collection[str]
    started: tuple[str, ...]
    timeout: float | None = None
    exit_code_from: str | None = None


@dataclass(slots=True)
class Streams:
    """What is read just now; they go with the connection."""

    apply: Stream | None = None
    stops: list[Stream] = field(default_factory=list)
    logs: Stream | None = None
    events: Stream | None = None

    def all(self) -> list[Stream]:
        """Those that have something to tell yet."""
        return [stream for stream in (self.apply, self.logs, self.events, *self.stops) if stream is not None and not stream.ended]
