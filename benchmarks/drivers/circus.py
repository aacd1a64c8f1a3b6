"""circus: circusd with its defaults, asked by circusctl and its client library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.drivers.driver import Driver, Service, load


class Circus(Driver):
    """One circusd; it looks for dead services each 5 s (`check_delay`, its default)."""

    name = "circus"

    @classmethod
    def available(cls, peers: Path) -> bool:
        return (peers / "v-circus/bin/circusd").exists()

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return self.peers / "v-circus/bin"

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"ipc://{self.folder}/e"

    def version(self) -> str:
        return "circus " + self.run(self.bin / "circusd", "--version").stdout.strip()

    def prepare(self, services: Sequence[Service]) -> None:
        logs = self.make("log")
        text = (
            f"[circus]\nendpoint = {self.endpoint}\npubsub_endpoint = ipc://{self.folder}/p\n"
            "statsd = False\nhttpd = False\nwarmup_delay = 0\n"
        )
        for service in services:
            text += (
                f"[watcher:{service.name}]\ncmd = {service.line}\nnumprocesses = 1\nwarmup_delay = 0\nmax_retry = -1\n"
                "copy_env = True\ngraceful_timeout = 10\nstdout_stream.class = FileStream\n"
                f"stdout_stream.filename = {logs}/{service.name}.log\n"
            )
        (self.folder / "circus.ini").write_text(text)

    def start(self) -> None:
        self.open(self.bin / "circusd", self.folder / "circus.ini")

    def status_command(self, name: str) -> list[str]:
        return [str(self.bin / "circusctl"), "--endpoint", self.endpoint, "status", name]

    def help_command(self) -> list[str]:
        return [str(self.bin / "circusctl"), "--help"]

    def load_command(self, name: str, *, clients: int, seconds: float) -> list[str]:
        return load(self.bin / "python", "circus_zmq", self.endpoint, name, clients, seconds)
