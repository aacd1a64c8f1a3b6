"""Orders that a supervisor obeys, and the news that interrupt what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from harness_core.config.model import ServiceConfig

if TYPE_CHECKING:
    from harness_core.engine.run import Run
    from harness_core.engine.supervisor import Supervisor  # an order may wait for other supervisors


class OrderKind(StrEnum):
    """What a supervisor can be told."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"


@dataclass(slots=True)
class Order:
    """Something to do now. `after`: services that must have ended before this one is stopped.

    `ending`: runs of others that must have ended before this service is launched, since it takes over their ports.
    """

    kind: OrderKind
    by: str
    grace: float | None = None
    config: ServiceConfig | None = None
    after: Sequence[Supervisor] = ()
    ending: Sequence[tuple[Supervisor, Run]] = ()
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Interrupted(Exception):
    """An order came while waiting for something else."""


class Sick(Exception):
    """The present run must end because of its health; `final`: and no other follows."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final
