"""runit and s6: a folder and a logger per service, status in a file."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks.drivers.driver import Driver, Service, load


class ServiceFolders(Driver):
    """A tree of folders that one process scans."""

    scanner: ClassVar[str]
    logger: ClassVar[str]

    @classmethod
    def available(cls, peers: Path) -> bool:
        return shutil.which(cls.scanner) is not None

    @property
    def tree(self) -> Path:
        """The folder that is scanned."""
        return self.folder / "sv"

    def version(self) -> str:
        return self.run("dpkg-query", "-W", "-f", "${Package} ${Version}", self.name).stdout

    def prepare(self, services: Sequence[Service]) -> None:
        self.make("sv")
        for service in services:
            _script(self.make("sv", service.name), f"exec {service.line} 2>&1")
            _script(self.make("sv", service.name, "log"), self.logger)
            main = self.make("sv", service.name, "log", "main")
            (main / "config").write_text("s0\nn0\n")  # svlogd: never rotate

    def logs(self, name: str) -> list[Path]:
        main = self.tree / name / "log/main"
        return [*sorted(main.glob("@*")), main / "current"]

    def load_command(self, name: str, *, clients: int, seconds: float) -> list[str]:
        status = self.tree / name / "supervise/status"
        return load(sys.executable, "status_file", status, name, clients, seconds)


class Runit(ServiceFolders):
    """One runsvdir; a service that ran for less than a second waits for one before its restart (fixed)."""

    name = "runit"
    scanner = "runsvdir"
    logger = "exec svlogd -b 65536 main"

    def start(self) -> None:
        self.open("runsvdir", "-P", self.tree)

    def stop(self) -> None:
        self.signal(signal.SIGHUP)

    def status_command(self, name: str) -> list[str]:
        return ["sv", "status", str(self.tree / name)]

    def help_command(self) -> list[str]:
        return ["sv"]


class S6(ServiceFolders):
    """One s6-svscan; a service is restarted at most once a second (fixed)."""

    name = "s6"
    scanner = "s6-svscan"
    logger = "exec s6-log -b n100 s268435455 ./main"

    def start(self) -> None:
        self.open("s6-svscan", "-c", "2000", self.tree)

    def stop(self) -> None:
        self.run("s6-svscanctl", "-t", self.tree)

    def status_command(self, name: str) -> list[str]:
        return ["s6-svstat", str(self.tree / name)]

    def help_command(self) -> list[str]:
        return ["s6-svstat", "-h"]


def _script(folder: Path, line: str) -> None:
    run = folder / "run"
    run.write_text(f"#!/bin/sh\n{line}\n")
    run.chmod(0o755)
