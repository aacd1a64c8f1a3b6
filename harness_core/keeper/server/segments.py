"""Store the output of one run: raw segments with an index, rotated by size, surviving a full disk."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any, Callable

from harness_core.keeper.server.reading import ENTRY, index_name, log_name, segments

RETRY_AFTER = 0.05
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class Segments:
    """Takes bytes, never blocks and never fails: what a full disk refuses is dropped and counted."""

    __slots__ = ("_closed", "_entries", "_folder", "_index", "_keep", "_log", "_max", "_missing", "_on_trouble", "_retry_at",
                 "_size", "_start", "lost")  # fmt: skip

    def __init__(self, folder: str, *, max_size: int, keep: int, on_trouble: Callable[[str], None]) -> None:
        self._folder, self._max, self._keep = folder, max_size, keep
        self._on_trouble = on_trouble
        self._closed: list[tuple[int, int]] = []
        self._log = self._index = -1
        self._start = self._size = self._entries = self._missing = self.lost = 0
        self._retry_at = 0.0

    def resume(self) -> None:
        """Go on after what an earlier keeper stored, its last and perhaps half-written piece included."""
        starts = segments(self._folder)
        if not starts:
            return
        for start in starts[:-1]:
            self._closed.append((start, os.stat(os.path.join(self._folder, log_name(start))).st_size))
        self._open(starts[-1])
        self._entries = os.fstat(self._index).st_size // ENTRY.size
        os.ftruncate(self._index, self._entries * ENTRY.size)
        with open(os.path.join(self._folder, index_name(self._start)), "rb") as file:
            file.seek(max(0, self._entries - 1) * ENTRY.size)
            last = file.read(ENTRY.size)
        self._size = ENTRY.unpack(last)[1] if last else 0
        stored = os.fstat(self._log).st_size
        if stored > self._size:
            # Written but not yet indexed when that keeper died. Data come first, so it is real output.
            try:
                self._note_entry(stored, 3)
            except OSError:
                os.ftruncate(self._log, self._size)
        elif stored < self._size:
            os.ftruncate(self._log, self._size)

    def hand_over(self) -> dict[str, Any]:
        """What the keeper that replaces this one needs to go on in the same files."""
        names = ("_log", "_index", "_start", "_size", "_entries", "_closed", "_missing", "lost")
        return {name.lstrip("_"): getattr(self, name) for name in names}

    def take_over(self, handed: dict[str, Any]) -> None:
        """Go on where the keeper that we replace stopped, in its own descriptors."""
        self._log, self._index = handed["log"], handed["index"]
        self._start, self._size, self._entries = handed["start"], handed["size"], handed["entries"]
        self._missing, self.lost = handed["missing"], handed["lost"]
        self._closed = [(start, size) for start, size in handed["closed"]]

    def put(self, data: memoryview, stream: int) -> None:
        """Store one piece of output."""
        size = len(data)
        if self._missing and time.monotonic() < self._retry_at:
            self._drop(size, None)
            return
        try:
            if self._log < 0 or self._missing or (self._size and self._footprint + size > self._max):
                self._rotate()
            _write_all(self._log, data)
            self._note_entry(self._size + size, stream)
        except OSError as error:
            self._roll_back()
            self._drop(size, error)
            return
        if self._missing:
            self._on_trouble("%d bytes of output were dropped while the disk was full; it is stored again" % self._missing)
            self._missing = 0

    def finish(self) -> None:
        """Close the files; what was dropped last is marked as lost when there is room for that again."""
        if self._missing:
            try:
                self._rotate()
                self._missing = 0
            except OSError:
                self._retry_at = 0.0  # the count stays, in ``lost``
        self.close()

    def close(self) -> None:
        """Give the descriptors back."""
        if self._log >= 0:
            os.close(self._log)
            os.close(self._index)
            self._closed.append((self._start, self._size))
            self._start += self._size
            self._log = self._index = -1
            self._size = self._entries = 0

    @property
    def end(self) -> int:
        """The position after everything that was stored or dropped."""
        return self._start + self._size + self._missing

    @property
    def _footprint(self) -> int:
        # Of many tiny writes the index is the larger part: it counts, or a segment's size would be no bound.
        return self._size + self._entries * ENTRY.size

    def _rotate(self) -> None:
        start = self._start + self._size + self._missing
        self.close()
        self._open(start)
        kept = sum(size for _, size in self._closed)
        while self._closed and kept > (self._keep - 1) * self._max:
            oldest, size = self._closed.pop(0)
            kept -= size
            self._remove(oldest)

    def _open(self, start: int) -> None:
        path = os.path.join(self._folder, log_name(start))
        try:
            log = os.open(path, APPEND, 0o600)
        except FileNotFoundError:
            # The first output: to make a folder is slower than to start what may say nothing. A reader may make it, too.
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._folder, 0o700)
            log = os.open(path, APPEND, 0o600)
        try:
            self._index = os.open(os.path.join(self._folder, index_name(start)), APPEND, 0o600)
        except OSError:
            os.close(log)
            os.unlink(path)
            raise
        self._log, self._start = log, start

    def _note_entry(self, end: int, stream: int) -> None:
        if os.write(self._index, ENTRY.pack(time.time_ns(), end, stream)) != ENTRY.size:
            raise OSError("a torn index entry")
        self._size, self._entries = end, self._entries + 1

    def _roll_back(self) -> None:
        """Leave no byte without an index entry, no entry without its bytes, and no empty segment."""
        if self._log < 0:
            return
        if self._entries:
            os.ftruncate(self._log, self._size)
            os.ftruncate(self._index, self._entries * ENTRY.size)
            return
        os.close(self._log)
        os.close(self._index)
        self._log = self._index = -1
        self._remove(self._start)
        self._start -= self._missing  # the hole begins where the last stored byte ends

    def _remove(self, start: int) -> None:
        for name in (index_name(start), log_name(start)):
            # Somebody may have tidied up by hand: gone is gone.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._folder, name))

    def _drop(self, size: int, error: OSError | None) -> None:
        first = not self._missing
        self._missing += size
        self.lost += size
        if error is not None:
            self._retry_at = time.monotonic() + RETRY_AFTER
            if first:
                self._on_trouble("output is being dropped: %s" % (error.strerror or error))


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]
