"""Run: one incarnation of a service that we hold a handle of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from harness_core.contracts.execution import AttachedHandle
from harness_core.contracts.run import Exit, LaunchSpec


@dataclass(slots=True)
class Run:
    """One incarnation that we hold a handle of. `since` is monotonic; `exit` None while it lives."""

    id: str
    handle: AttachedHandle
    spec: LaunchSpec
    started_at: datetime
    since: float
    exit: Exit | None = None
    recovered: bool = False
