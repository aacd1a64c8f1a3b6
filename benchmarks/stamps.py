"""Stamps: the moments at which services began, written by the services themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_SIZE = 48


@dataclass(frozen=True, slots=True)
class Stamp:
    """A service began to run: `at` in monotonic nanoseconds."""

    at: int
    pid: int
    name: str


class Stamps:
    """The file of one case."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(b"")

    def __len__(self) -> int:
        return self.path.stat().st_size // _SIZE

    def all(self, *, after: int = 0) -> list[Stamp]:
        """All but the first `after`."""
        with open(self.path, "rb") as file:
            file.seek(after * _SIZE)
            lines = [line.split() for line in file.read().decode().splitlines()]
        return [Stamp(int(at), int(pid), name) for at, pid, name in lines]

    def wait(self, count: int, *, timeout: float, pause: float = 0.001, check: Callable[[], object] = lambda: None) -> None:
        """Return once there are `count`; raises TimeoutError, or whatever `check` does on the way."""
        deadline = time.monotonic() + timeout
        while len(self) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self)} of {count} services began within {timeout:g} s")
            check()
            time.sleep(pause)
