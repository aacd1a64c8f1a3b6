"""One thread that waits for file descriptors and timers, and for nothing else."""

from __future__ import annotations

import heapq
import itertools
import select
import time
import traceback
from collections import deque
from typing import Callable

READ, WRITE, URGENT = select.EPOLLIN, select.EPOLLOUT, select.EPOLLPRI


class Timer:
    """A call in the future that can still be cancelled."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Never make the call."""
        self.call = None


class Loop:
    """Calls handlers as their descriptors become ready; ``on_crash`` gets the traceback of one that failed."""

    def __init__(self, on_crash: Callable[[str], None]) -> None:
        self._poll = select.epoll(flags=select.EPOLL_CLOEXEC)
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._bulk: set[int] = set()
        self._timers: list[tuple[float, int, Timer]] = []
        self._soon: deque[Callable[[], None]] = deque()
        self._order = itertools.count()
        self._on_crash = on_crash
        self.stopped = False

    def watch(self, fd: int, mask: int, handler: Callable[[int], None], *, bulk: bool = False) -> None:
        """Call the handler with the event mask; ``bulk`` ones come after all others of a turn."""
        self._poll.register(fd, mask)
        self._handlers[fd] = handler
        if bulk:
            self._bulk.add(fd)

    def change(self, fd: int, mask: int) -> None:
        """Wait for other events of a watched descriptor."""
        self._poll.modify(fd, mask)

    def unwatch(self, fd: int) -> None:
        """Stop waiting for a descriptor; call it before the descriptor is closed."""
        if self._handlers.pop(fd, None) is not None:
            self._bulk.discard(fd)
            self._poll.unregister(fd)

    def soon(self, call: Callable[[], None]) -> None:
        """Make the call at the end of this turn."""
        self._soon.append(call)

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Make the call after that time."""
        timer = Timer(call)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), timer))
        return timer

    def run(self) -> None:
        """Turn until ``stopped``."""
        while not self.stopped:
            self._turn()

    def _turn(self) -> None:
        ready = self._poll.poll(self._patience())
        bulk = []
        for fd, mask in ready:
            if fd in self._bulk:
                bulk.append((fd, mask))
            else:
                self._handle(fd, mask)
        for fd, mask in bulk:
            self._handle(fd, mask)
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            call = heapq.heappop(self._timers)[2].call
            if call is not None:
                self._guard(call)
        for _ in range(len(self._soon)):
            self._guard(self._soon.popleft())

    def _patience(self) -> float:
        if self._soon:
            return 0.0
        while self._timers and self._timers[0][2].call is None:
            heapq.heappop(self._timers)
        # Rounded up a little: epoll counts whole milliseconds and must not wake before the timer is due.
        return max(0.0, self._timers[0][0] - time.monotonic()) + 0.0005 if self._timers else -1

    def _handle(self, fd: int, mask: int) -> None:
        handler = self._handlers.get(fd)
        if handler is None:
            return  # closed earlier in the same turn: the event is stale
        try:
            handler(mask)
        except Exception:  # one bad descriptor must not end the parent of every service
            self.unwatch(fd)
            self._on_crash(traceback.format_exc())

    def _guard(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # as above
            self._on_crash(traceback.format_exc())
