"""The floor: a loop of standard library Python that only spawns, moves output and waits. No supervisor in Python beats it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.drivers.driver import NATIVE, Driver, Service, load


class Floor(Driver):
    """One such loop."""

    name = "floor"

    @classmethod
    def available(cls, peers: Path) -> bool:
        return True

    def version(self) -> str:
        return f"Python {sys.version.split()[0]}: posix_spawn, epoll, splice"

    def prepare(self, services: Sequence[Service]) -> None:
        logs = self.make("log")
        lines = ["\t".join([service.name, f"{logs}/{service.name}.log", *service.argv]) + "\n" for service in services]
        (self.folder / "spec").write_text("".join(lines))

    def start(self) -> None:
        self.folder.joinpath("s.sock").unlink(missing_ok=True)
        self.open(sys.executable, "-I", "-S", NATIVE / "floor.py", self.folder / "spec", self.folder / "s.sock")

    def help_command(self) -> list[str]:
        return [sys.executable, "-I", "-S", "-c", "pass"]

    def load_command(self, name: str, *, clients: int, seconds: float) -> list[str]:
        return load(sys.executable, "line_unix", self.folder / "s.sock", name, clients, seconds)
