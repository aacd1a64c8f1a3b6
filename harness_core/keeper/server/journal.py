"""The file in which each change is written down before anybody is told of it."""

from __future__ import annotations

import json
import os
from typing import Any, Iterable

SPARE = 64 << 10
BLOCK = 4 << 10
COMPACT_AT = 1 << 20


class Journal:
    """Appends JSON lines; keeps room reserved, so that an exit can be written down even on a full disk."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._end = self._reserved = 0
        self._compact_at = COMPACT_AT

    def replay(self) -> Iterable[dict[str, Any]]:
        """The records of the previous keeper, oldest first; a torn or unwritten tail ends them."""
        try:
            with open(self._path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return
        for line in data.split(b"\n"):
            try:
                record = json.loads(line)
            except ValueError:
                continue  # torn by a crash, or room that was never written
            if isinstance(record, dict):
                yield record

    def rewrite(self, records: Iterable[bytes]) -> None:
        """Replace everything by these lines at once."""
        data = b"".join(records)
        fresh = self._path + ".new"
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            reserved = _whole_blocks(len(data) + SPARE)
            os.posix_fallocate(fd, 0, reserved)
            _write_all(fd, data, 0)
            os.rename(fresh, self._path)
        except OSError:
            os.close(fd)
            os.unlink(fresh)
            raise
        self.close()
        self._fd, self._end, self._reserved = fd, len(data), reserved
        self._compact_at = max(COMPACT_AT, 4 * len(data))

    def append(self, line: bytes) -> None:
        """Write one line down; OSError when the disk is full beyond the reserved room."""
        needed = self._end + len(line)
        if needed + SPARE // 2 > self._reserved:
            try:
                self._reserve(needed + SPARE - self._reserved)
            except OSError:
                if needed > self._reserved:
                    raise
        _write_all(self._fd, line, self._end)
        self._end = needed

    def append_intent(self, line: bytes) -> None:
        """Write down what is only asked for: OSError on a full disk, for the reserved room is for what has happened."""
        self._reserve(len(line))
        self.append(line)

    def hand_over(self) -> dict[str, Any]:
        """What the keeper that replaces this one needs to go on in the same file, with the room that is reserved in it."""
        return {"fd": self._fd, "end": self._end, "reserved": self._reserved, "compact_at": self._compact_at}

    def take_over(self, handed: dict[str, Any]) -> None:
        """Go on where the keeper that we replace stopped: even on a full disk nothing has to be written anew."""
        self._fd, self._end = handed["fd"], handed["end"]
        self._reserved, self._compact_at = handed["reserved"], handed["compact_at"]

    @property
    def wants_compaction(self) -> bool:
        """Whether most of it may be history that nobody needs."""
        return self._end > self._compact_at

    def postpone(self) -> None:
        """Ask for compaction again only after as much growth again."""
        self._compact_at = self._end + COMPACT_AT

    def close(self) -> None:
        """Give the descriptor back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _reserve(self, size: int) -> None:
        more = _whole_blocks(size)
        os.posix_fallocate(self._fd, self._reserved, more)
        self._reserved += more


def _whole_blocks(size: int) -> int:
    # Less than a block may be had on a full disk too, where the last one is not full.
    return -(-size // BLOCK) * BLOCK


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
