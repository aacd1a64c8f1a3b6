"""What requests are answered with and for whom: the daemon as its handlers see it, the caller, the call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness_core.daemon.audit import Audit
from harness_core.daemon.execs import Execs
from harness_core.daemon.log import OwnLog
from harness_core.daemon.stream import Stream
from harness_core.installation import Installation
from harness_core.plugins import Catalog
from harness_core.protocol import Role

if TYPE_CHECKING:
    from harness_core.engine.manager import ServiceManager


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a connection belongs to."""

    name: str
    role: Role
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint[:16]})"


@dataclass(frozen=True, slots=True)
class Call:
    """One request under way: who asked, its id in the log and on its connection, where its items go, what else is open there."""

    caller: Caller
    id: str
    number: int
    stream: Stream
    execs: Execs


@dataclass(frozen=True, slots=True)
class Daemon:
    """What handlers may touch."""

    manager: ServiceManager
    catalog: Catalog
    state_dir: Path
    log: OwnLog
    audit: Audit
    started_at: str
    address: Callable[[], str]
    connections: Callable[[], int]
    leave: Callable[[], None]
    """from now on found by nobody new; then the daemon ends"""
    hand_over: Callable[[Installation], None] | None = None
    """from now on nobody new is let in; then the daemon becomes that installation's. None: it lives in another program"""
    upgrading: asyncio.Lock = field(default_factory=asyncio.Lock)
    """held while somebody looks for what it could become"""
