"""PM2: its daemon on Node, asked by its command and its RPC."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.drivers.driver import Driver, Service

LOAD = Path(__file__).parents[1] / "loads/pm2_rpc.js"


class Pm2(Driver):
    """One PM2 daemon, restarting without delay and without end."""

    name = "pm2"
    detaches = True

    def __init__(self, folder: Path, env: Mapping[str, str], peers: Path) -> None:
        super().__init__(folder, {**env, "PM2_HOME": str(folder / "h"), "NO_COLOR": "1"}, peers)

    @classmethod
    def available(cls, peers: Path) -> bool:
        return (peers / "npm/node_modules/.bin/pm2").exists()

    @property
    def modules(self) -> Path:
        """Where npm has put it."""
        return self.peers / "npm/node_modules"

    @property
    def program(self) -> Path:
        """The program."""
        return self.modules / ".bin/pm2"

    def version(self) -> str:
        own = json.loads((self.modules / "pm2/package.json").read_text())["version"]
        return f"pm2 {own} on node {self.run('node', '--version').stdout.strip()}"

    def prepare(self, services: Sequence[Service]) -> None:
        logs = self.make("log")
        self.make("h")
        apps = [
            {
                "name": service.name, "script": service.argv[0], "args": service.argv[1:], "interpreter": "none",
                "exec_mode": "fork", "autorestart": True, "restart_delay": 0, "max_restarts": 1000000, "min_uptime": 0,
                "out_file": f"{logs}/{service.name}.log", "error_file": f"{logs}/{service.name}.err",
                "merge_logs": True, "treekill": False, "pmx": False,
            }
            for service in services
        ]  # fmt: skip
        (self.folder / "e.config.js").write_text("module.exports=" + json.dumps({"apps": apps}))

    def start(self) -> None:
        self.open(self.program, "start", self.folder / "e.config.js")

    def stop(self) -> None:
        self.open(self.program, "kill")

    def root_pid(self) -> int:
        return int((self.folder / "h/pm2.pid").read_text())

    def status_command(self, name: str) -> list[str]:
        return [str(self.program), "describe", name]

    def help_command(self) -> list[str]:
        return [str(self.program), "--help"]

    def load_command(self, name: str, *, clients: int, seconds: float) -> list[str]:
        return ["node", str(LOAD), str(self.modules), name, str(clients), str(seconds)]
