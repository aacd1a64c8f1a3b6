"""harness: what this checkout installs, by its command and by a connected client, each in a state directory of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.drivers.driver import Driver, Service, load
from harness_core import __version__, trust
from harness_core.client import Client, Stream, connect
from harness_core.config.gather import gather
from harness_core.config.identity import identify
from harness_core.protocol import ApplyConfig, DaemonStatus, ListEvents, StatusOfServices, StopServices

TYPICAL = {
    "restart": {"policy": "always", "backoff": 0, "max_backoff": 0, "max_restarts": 1000000},
    # Rotation and its index are on as always; all segments are kept, so that every line can be counted.
    "logs": {"max_size": "16MiB", "keep": 64},
}


class Harness(Driver):
    """One daemon with its keeper. Its certificates are there from the start, as for anybody's second command."""

    name = "harness"
    dependencies = True
    detaches = True

    def __init__(self, folder: Path, env: Mapping[str, str], peers: Path) -> None:
        self.state = folder / "state"
        super().__init__(folder, {**env, "HARNESS_STATE_DIR": str(self.state)}, peers)
        self._client: Client | None = None
        self._runs: dict[str, Path] = {}

    @classmethod
    def available(cls, peers: Path) -> bool:
        return cls.program() is not None

    @staticmethod
    def program() -> str | None:
        """The `harness` beside this interpreter, else the one on PATH."""
        beside = Path(sys.executable).with_name("harness")
        return str(beside) if beside.exists() else shutil.which("harness")

    def version(self) -> str:
        return f"harness {__version__} on Python {sys.version.split()[0]}"

    def prepare(self, services: Sequence[Service]) -> None:
        chained = any(service.after for service in services)
        config = {
            "version": "1.0",
            "name": "bench",
            "services": {service.name: self._entry(service, chained=chained) for service in services},
        }
        (self.folder / "services.yaml").write_text(json.dumps(config, indent=1))  # JSON is YAML
        self.state.mkdir(mode=0o700, exist_ok=True)
        trust.ensure(self.state, owner=str(os.geteuid()))

    def _entry(self, service: Service, *, chained: bool) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": "process", "command": list(service.argv), **TYPICAL}
        if chained:
            entry |= {"env": {"READY_LINE": "1"}, "health_check": {"log": "ready"}}
            entry["dependencies"] = dict.fromkeys(service.after, "healthy")
        return entry

    # -- by the command ------------------------------------------------------------------------------------------------

    def command(self, *arguments: str) -> list[str]:
        """A harness command."""
        program = self.program()
        assert program is not None
        return [program, *arguments]

    def start(self) -> None:
        self.disconnect()
        self.open(*self.command("up", "-d"))

    def start_daemon(self) -> None:
        """The daemon and its keeper alone."""
        self.run(*self.command("daemon", "start"))

    def status_command(self, name: str) -> list[str]:
        return self.command("status", name)

    def help_command(self) -> list[str]:
        return self.command("--help")

    def load_command(self, name: str, *, clients: int, seconds: float) -> list[str]:
        return load(sys.executable, "harness_client", self.state, self.project, name, clients, seconds)

    def close(self) -> None:
        """End all that is left, the daemon and the keeper included."""
        self.disconnect()
        self.run(*self.command("daemon", "stop", "--services"))

    # -- by a connected client -----------------------------------------------------------------------------------------

    @property
    def project(self) -> str:
        """The project's id."""
        return identify(self.folder / "services.yaml", cwd=self.folder, environ=self.env, project=None)

    @property
    def client(self) -> Client:
        """A connection, open from the first use."""
        if self._client is None:
            self._client = connect(self.state, start=False)
        return self._client

    def disconnect(self) -> None:
        """Let the connection go."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def apply(self) -> ApplyConfig:
        """The request that starts everything: the configuration is read here, once."""
        bundle = gather(self.folder / "services.yaml", cwd=self.folder, environ=self.env)
        return ApplyConfig(bundle=bundle.to_json(), wait=False)

    def start_connected(self, request: ApplyConfig) -> Stream:
        """Start all services by the open connection; returns once it is asked for."""
        return self.client.stream(request)

    def before_stop(self) -> None:
        self.remember_logs()

    def stop(self) -> None:
        self.client.stream(StopServices(project=self.project, down=True))

    def statuses(self) -> list[dict[str, Any]]:
        """All services as the daemon sees them."""
        found: list[dict[str, Any]] = self.client.call(StatusOfServices(project=self.project))["services"]
        return found

    def daemon(self) -> dict[str, Any]:
        """The daemon about itself."""
        found: dict[str, Any] = self.client.call(DaemonStatus())
        return found

    def root_pid(self) -> int:
        return int(self.daemon()["pid"])

    def keeper_pid(self) -> int:
        """The keeper's."""
        return int(self.daemon()["keeper"]["pid"])

    def exit_code(self, name: str) -> int | None:
        events = self.client.call(ListEvents(project=self.project, services=(name,), kinds=("exited",)))["events"]
        return events[-1]["exit"]["code"] if events else None

    def remember_logs(self) -> None:
        """Where each service's output is, for when there is no daemon to ask."""
        runs = self.state / "keeper/runs"
        self._runs = {service["name"]: runs / service["run"] for service in self.statuses() if service["run"]}

    def logs(self, name: str) -> list[Path]:
        if name not in self._runs:
            self.remember_logs()
        return sorted(self._runs[name].glob("log.*"))
