"""Run: one incarnation of a service that we hold a handle of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from harness_core.contracts.execution import AttachedHandle
from harness_core.contracts.output import Output, OutputQuery
from harness_core.contracts.run import Exit, LaunchSpec
from harness_core.engine.capture import Capture


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
    capture: Capture | None = None
    """what core stores of its output, where the executor stores none"""

    def output(self, query: OutputQuery) -> AsyncIterator[Output]:
        """What it wrote, from wherever that is stored."""
        return (self.capture or self.handle).output(query)
