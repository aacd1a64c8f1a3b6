"""The daemon's own log: JSON lines in the state directory, rotated, with the request that each line belongs to.

Secrets do not get in: values that are known to be secret are replaced, and so is what looks like NAME=value with a name
that says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import sys
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from harness_core.mask import MASK, masker, worth_masking

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that this task works for, as `connection-number`; plugins called on the way inherit it."""

SIZE = 8 * 1024 * 1024
KEEP = 3
_FOLLOWER_LINES = 2_000
_ASSIGNMENT = re.compile(r"(?i)\b(\w*(?:PASSWORD|SECRET|TOKEN|KEY)\w*)(['\"]?\s*[=:]\s*)(['\"]?)([^\s'\",}]+)")


class PrivateFileHandler(RotatingFileHandler):
    """A rotated file that only its owner may read; a full disk costs lines, never the daemon."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=SIZE, backupCount=KEEP, encoding="utf-8")
        self.lost = 0

    def _open(self) -> Any:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        return open(os.open(self.baseFilename, flags, 0o600), "a", encoding="utf-8", errors="backslashreplace")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Count what could not be written."""
        self.lost += 1

    def close(self) -> None:
        """Write nothing more; what the disk has no room for is lost."""
        with contextlib.suppress(OSError):
            super().close()


class OwnLog:
    """The log of one daemon: written through `logging`, read back for `harness daemon logs`."""

    def __init__(self, state_dir: Path, *, terminal: bool = False) -> None:
        self.path = state_dir / "daemon.log"
        self.logger = logging.getLogger("harness")
        self._secrets: set[str] = set()
        self._mask = masker(())
        self._followers: set[_Follower] = set()
        self._file = PrivateFileHandler(self.path)
        self._file.setFormatter(_JsonLines(self._masked))
        self._handlers: list[logging.Handler] = [self._file, _Tap(self._tell, self._file.formatter)]
        if terminal:
            shown = logging.StreamHandler(sys.stderr)
            shown.setFormatter(_ForPeople(self._masked))
            self._handlers.append(shown)
        for handler in self._handlers:
            handler.addFilter(_with_request)
            self.logger.addHandler(handler)
        self.logger.setLevel(logging.INFO)
        self.logger.propagate = False

    def hide(self, secrets: Collection[str]) -> None:
        """From now on these values are masked, but for short words: they would eat the log and hide nothing."""
        self._secrets |= {secret for secret in secrets if worth_masking(secret)}
        self._mask = masker(self._secrets)

    def tail(self, lines: int) -> list[str]:
        """The last lines that were written."""
        found: deque[str] = deque(maxlen=max(0, lines))
        for number in range(KEEP, -1, -1):
            path = self.path.with_name(f"{self.path.name}.{number}") if number else self.path
            try:
                with path.open(encoding="utf-8", errors="replace") as file:
                    found.extend(line.rstrip("\n") for line in file)
            except FileNotFoundError:
                continue
        return list(found)

    async def follow(self, tail: int) -> AsyncIterator[str]:
        """The last lines, then each new one; a reader that is too slow loses lines and is told how many."""
        follower = _Follower(asyncio.get_running_loop())
        self._followers.add(follower)
        try:
            for line in self.tail(tail):
                yield line
            while True:
                yield await follower.next()
        finally:
            self._followers.discard(follower)

    def reopen(self) -> None:
        """Write to a new file where the old one was moved away."""
        self._file.acquire()
        try:
            self._file.close()
            self._file.stream = self._file._open()
        finally:
            self._file.release()

    def close(self) -> None:
        """Write nothing more."""
        for handler in self._handlers:
            self.logger.removeHandler(handler)
            handler.close()

    def _masked(self, text: str) -> str:
        return _ASSIGNMENT.sub(rf"\1\2\3{MASK}", self._mask(text))

    def _tell(self, line: str) -> None:
        for follower in list(self._followers):
            follower.put(line)


class _Follower:
    """Lines for one reader; put from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lines: deque[str] = deque()
        self._lost = 0
        self._ready = asyncio.Event()

    def put(self, line: str) -> None:
        if len(self._lines) >= _FOLLOWER_LINES:
            self._lines.popleft()
            self._lost += 1
        self._lines.append(line)
        self._loop.call_soon_threadsafe(self._ready.set)

    async def next(self) -> str:
        while not self._lines:
            self._ready.clear()
            await self._ready.wait()
        if self._lost:
            lost, self._lost = self._lost, 0
            return json.dumps({"message": f"{lost} lines were lost: this reader is too slow"})
        return self._lines.popleft()


class _Tap(logging.Handler):
    def __init__(self, tell: Any, formatter: logging.Formatter | None) -> None:
        super().__init__()
        self._tell = tell
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(self.format(record))


class _JsonLines(logging.Formatter):
    def __init__(self, masked: Any) -> None:
        super().__init__()
        self._masked = masked

    def format(self, record: logging.LogRecord) -> str:
        body = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "request": getattr(record, "request", None),
            "message": self._masked(record.getMessage()),
        }
        if plugin := getattr(record, "plugin", None):
            body["plugin"] = plugin
        if record.exc_info:
            body["error"] = self._masked(self.formatException(record.exc_info))
        return json.dumps(body)


class _ForPeople(logging.Formatter):
    def __init__(self, masked: Any) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")
        self._masked = masked

    def format(self, record: logging.LogRecord) -> str:
        text: str = self._masked(super().format(record))
        return text


def _with_request(record: logging.LogRecord) -> bool:
    record.request = request_id.get()
    return True
