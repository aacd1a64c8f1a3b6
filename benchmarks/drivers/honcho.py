"""honcho: a Procfile in the foreground; one log for all, no restarts, nobody to ask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.drivers.driver import Driver, Service


class Honcho(Driver):
    """One `honcho start`."""

    name = "honcho"
    restarts = False

    @classmethod
    def available(cls, peers: Path) -> bool:
        return (peers / "v-honcho/bin/honcho").exists()

    @property
    def program(self) -> Path:
        """The program."""
        return self.peers / "v-honcho/bin/honcho"

    def version(self) -> str:
        return self.run(self.program, "--version").stdout.strip()

    def prepare(self, services: Sequence[Service]) -> None:
        self.make("log")
        (self.folder / "Procfile").write_text("".join(f"{service.name}: exec {service.line}\n" for service in services))

    def start(self) -> None:
        self.open(self.program, "start", stdout=self.folder / "log/all.log")

    def logs(self, name: str) -> list[Path]:
        return [self.folder / "log/all.log"]

    def help_command(self) -> list[str]:
        return [str(self.program), "--help"]
