"""Audit: who asked for what, when, and what came of it; of requests that change something and of refused ones."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness_core.daemon.log import PrivateFileHandler

STRANGERS_PER_SECOND = 20
"""Refusals of connections without a trusted certificate are counted, not written, beyond this rate."""


class Audit:
    """`audit.jsonl` in the state directory: appended to, never rewritten; rotated by size."""

    def __init__(self, state_dir: Path) -> None:
        self._file = PrivateFileHandler(state_dir / "audit.jsonl")
        self._second = 0
        self._in_second = 0
        self._skipped = 0

    def request(self, who: str, request: str, what: str, details: Mapping[str, Any], result: str) -> None:
        """A request of a client: its name and certificate, the request's id, the method, its params, the result."""
        self._write({"who": who, "request": request, "what": what, "details": dict(details), "result": result})

    def stranger(self, peer: str, why: str) -> None:
        """A connection that was refused before anybody was known."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        if self._in_second > STRANGERS_PER_SECOND:
            self._skipped += 1
            return
        skipped, self._skipped = self._skipped, 0
        details = {"unwritten_before": skipped} if skipped else {}
        self._write({"who": peer, "request": None, "what": "connect", "details": details, "result": f"refused: {why}"})

    def close(self) -> None:
        """Write nothing more."""
        self._file.close()

    def _write(self, body: dict[str, Any]) -> None:
        line = json.dumps({"at": datetime.now(UTC).isoformat(), **body})
        self._file.handle(logging.makeLogRecord({"msg": "%s", "args": (line,)}))
