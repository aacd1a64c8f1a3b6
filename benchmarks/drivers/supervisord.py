"""supervisor: supervisord, asked by supervisorctl and XML-RPC."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.drivers.driver import Driver, Service, load


class Supervisord(Driver):
    """One supervisord; it restarts without delay, since `startsecs` is 0."""

    name = "supervisord"

    @classmethod
    def available(cls, peers: Path) -> bool:
        return (peers / "v-supervisor/bin/supervisord").exists()

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return self.peers / "v-supervisor/bin"

    @property
    def conf(self) -> Path:
        """Its configuration."""
        return self.folder / "supervisord.conf"

    def version(self) -> str:
        return "supervisor " + self.run(self.bin / "supervisord", "--version").stdout.strip()

    def prepare(self, services: Sequence[Service]) -> None:
        logs, sock = self.make("log"), self.folder / "s.sock"
        text = (
            f"[supervisord]\nnodaemon=true\nlogfile={self.folder}/supervisord.log\npidfile={self.folder}/pid\n"
            f"childlogdir={logs}\nminfds=8192\nuser=root\n[unix_http_server]\nfile={sock}\n"
            "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[supervisorctl]\nserverurl=unix://{sock}\n"
        )
        for service in services:
            text += (
                f"[program:{service.name}]\ncommand={service.line}\nstartsecs=0\nautorestart=true\nredirect_stderr=true\n"
                f"stdout_logfile={logs}/{service.name}.log\nstdout_logfile_maxbytes=0\n"
            )
        self.conf.write_text(text)

    def start(self) -> None:
        self.open(self.bin / "supervisord", "-c", self.conf)

    def stop(self) -> None:
        """The operator's quick way: a bare TERM would stop one group after the other."""
        self.run(self.bin / "supervisorctl", "-c", self.conf, "stop", "all")
        super().stop()

    def status_command(self, name: str) -> list[str]:
        return [str(self.bin / "supervisorctl"), "-c", str(self.conf), "status", name]

    def help_command(self) -> list[str]:
        return [str(self.bin / "supervisorctl"), "--help"]

    def load_command(self, name: str, *, clients: int, seconds: float) -> list[str]:
        return load(sys.executable, "supervisor_xmlrpc", self.folder / "s.sock", name, clients, seconds)
