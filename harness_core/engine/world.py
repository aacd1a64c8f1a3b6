"""World: what every supervisor of a daemon shares."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness_core.contracts.clock import Clock
from harness_core.engine.bus import Bus
from harness_core.engine.capture import Captures
from harness_core.engine.drivers import Drivers
from harness_core.engine.store import Store

if TYPE_CHECKING:
    from harness_core.engine.supervisor import Supervisor  # peers know each other only through their views

LAUNCHES_AT_ONCE = 32
PROBES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class World:
    """One daemon's bus, store, drivers, clock and throttles, and who owns which run and port."""

    bus: Bus
    store: Store
    drivers: Drivers
    clock: Clock
    log: logging.Logger
    captures: Captures
    peer: Callable[[str, str], Supervisor | None]
    launches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LAUNCHES_AT_ONCE))
    probes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PROBES_AT_ONCE))
    by_run: dict[str, Supervisor] = field(default_factory=dict)
    ports: dict[int, tuple[str, str]] = field(default_factory=dict)
    """ports given out by `auto`, so that two services never get one"""
