"""Read stored output by cursor, by time or by its last lines.

A run's output is one sequence of bytes. A segment is named by the position of its first byte in it, so a hole between
two segments *is* the number of bytes that are gone: rotated away, or dropped while the disk was full.
``log.<start>`` holds the raw bytes, ``idx.<start>`` one 16-byte entry per write: time, end (within the segment), stream.
"""

from __future__ import annotations

import os
import struct
from typing import Callable, Iterator, NamedTuple

ENTRY = struct.Struct("<QII")
STREAMS = {1: "out", 2: "err", 3: "mixed"}
BLOCK = 1 << 16


class BadCursor(ValueError):
    """A cursor that no output was ever given with."""


class Piece(NamedTuple):
    """Bytes of one stream; ``end`` is the position right after them."""

    cursor: str
    end: int
    at_ns: int
    stream: str
    data: bytes
    lost: int


def log_name(start: int) -> str:
    """The file name of a segment's bytes."""
    return "log.%015d" % start


def index_name(start: int) -> str:
    """The file name of a segment's index."""
    return "idx.%015d" % start


def segments(folder: str) -> list[int]:
    """The starts of the segments that exist, oldest first; none in a folder that was not made yet, or is gone."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(name[4:]) for name in names if name.startswith("idx."))


def position_of(cursor: str) -> int:
    """The position a cursor stands for."""
    segment, _, offset = cursor.partition(":")
    if not (segment.isascii() and segment.isdigit() and offset.isascii() and offset.isdigit()):
        raise BadCursor("a cursor looks like 'segment:offset', not %r" % cursor[:80])
    return int(segment) + int(offset)


def locate(folder: str, *, cursor: str | None, since_ns: int | None, tail: int | None) -> int:
    """Where to begin to read: after the cursor, at a time, before the last lines (the latest of those asked), or at 0."""
    position = position_of(cursor) if cursor is not None else 0
    if since_ns is not None:
        position = max(position, position_since(folder, since_ns))
    if tail is not None:
        position = max(position, position_of_tail(folder, tail))
    return position


def position_since(folder: str, since_ns: int) -> int:
    """The position of the first byte that was written at that time or later."""
    found = None
    for start in reversed(segments(folder)):
        with _Segment(folder, start) as segment:
            if not segment.entries:
                continue
            number = segment.first(lambda entry: entry[0] >= since_ns)
            if number < segment.entries or found is None:
                found = start + segment.begin(number)
            if number > 0:
                return found
    return found or 0


def position_of_tail(folder: str, lines: int) -> int:
    """The position where the last ``lines`` lines of all streams together begin."""
    starts = segments(folder)
    if not starts:
        return 0
    missing, last = lines, True
    for start in reversed(starts):
        with _Segment(folder, start) as segment:
            at = segment.end
            if last and lines <= 0:
                return start + at
            while at > 0:
                size = min(BLOCK, at)
                at -= size
                block = os.pread(segment.log, size, at)
                # The newline that ends the very last line does not begin another one.
                end = size - 1 if last and block.endswith(b"\n") else size
                last = False
                while True:
                    end = block.rfind(b"\n", 0, end)
                    if end < 0:
                        break
                    missing -= 1
                    if missing == 0:
                        return start + at + end + 1
    return starts[0]


def read(folder: str, position: int, limit: int = 1 << 20) -> Iterator[Piece]:
    """What was stored strictly after the position, about ``limit`` bytes of it, with holes reported as lost."""
    taken = 0
    for start, following in _spans(folder, position):
        try:
            segment = _Segment(folder, start)
        except FileNotFoundError:
            continue  # rotated away this moment: the next one reports the hole
        with segment:
            lost = max(0, start - position)
            position = max(position, start)
            if lost:
                yield Piece("%d:0" % start, start, segment.time(0), "mixed", b"", lost)
            number = segment.first(lambda entry: start + entry[1] > position)  # noqa: B023 (used at once)
            for piece in segment.pieces(number, position - start, limit - taken):
                taken += len(piece.data)
                position = piece.end
                yield piece
            if taken >= limit or position < start + segment.end:
                return
            if following is None:
                return


def _spans(folder: str, position: int) -> Iterator[tuple[int, int | None]]:
    starts = segments(folder)
    for number, start in enumerate(starts):
        following = starts[number + 1] if number + 1 < len(starts) else None
        if following is None or following > position:
            yield start, following


class _Segment:
    """One segment opened for reading."""

    def __init__(self, folder: str, start: int) -> None:
        self.start = start
        self.index = os.open(os.path.join(folder, index_name(start)), os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.log = os.open(os.path.join(folder, log_name(start)), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            os.close(self.index)
            raise
        self.entries = os.fstat(self.index).st_size // ENTRY.size
        self.end = self.begin(self.entries)

    def __enter__(self) -> _Segment:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.index)
        os.close(self.log)

    def entry(self, number: int) -> tuple[int, int, int]:
        return ENTRY.unpack(os.pread(self.index, ENTRY.size, number * ENTRY.size))

    def begin(self, number: int) -> int:
        return self.entry(number - 1)[1] if number > 0 else 0

    def time(self, number: int) -> int:
        return self.entry(number)[0] if number < self.entries else 0

    def first(self, wanted: Callable[[tuple[int, int, int]], bool]) -> int:
        low, high = 0, self.entries
        while low < high:
            middle = (low + high) // 2
            if wanted(self.entry(middle)):
                high = middle
            else:
                low = middle + 1
        return low

    def pieces(self, number: int, offset: int, limit: int) -> Iterator[Piece]:
        """Entries from ``number`` on, the first of them from ``offset`` within the segment."""
        while number < self.entries and limit > 0:
            batch = os.pread(self.index, 256 * ENTRY.size, number * ENTRY.size)
            wanted = list(ENTRY.iter_unpack(batch[: len(batch) // ENTRY.size * ENTRY.size]))
            wanted = wanted[: self.entries - number]
            last = offset
            count = 0
            for _, end, _ in wanted:
                count += 1
                last = end
                if last - offset >= limit:
                    break
            data = _pread(self.log, last - offset, offset)
            base = offset
            for at_ns, end, stream in wanted[:count]:
                piece = data[offset - base : end - base]
                yield Piece("%d:%d" % (self.start, end), self.start + end, at_ns, STREAMS.get(stream, "mixed"), piece, 0)
                offset = end
            limit -= last - base
            number += count


def _pread(fd: int, size: int, offset: int) -> bytes:
    """All of ``size`` bytes; what is missing (a damaged file) comes as zeros, so that positions stay true."""
    parts = []
    while size > 0:
        data = os.pread(fd, size, offset)
        if not data:
            parts.append(b"\0" * size)
            break
        parts.append(data)
        size -= len(data)
        offset += len(data)
    return b"".join(parts)
