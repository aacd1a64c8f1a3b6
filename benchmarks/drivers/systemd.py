"""systemd: a private `systemd --user` in its own control group and mount namespace, since PID 1 may be something else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.drivers.driver import Driver, Service

PROGRAM = Path("/usr/lib/systemd/systemd")
HIERARCHIES = [Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")]
GROUP = "harness-bench"


class Systemd(Driver):
    """One `systemd --user`, restarting without delay."""

    name = "systemd"
    dependencies = True

    def __init__(self, folder: Path, env: Mapping[str, str], peers: Path) -> None:
        super().__init__(folder, {**env, "XDG_RUNTIME_DIR": str(folder / "x")}, peers)

    @classmethod
    def available(cls, peers: Path) -> bool:
        return PROGRAM.exists() and os.geteuid() == 0 and HIERARCHIES[0].is_dir()

    def outside(self) -> list[Path]:
        """Its control group in each hierarchy that is there."""
        return [hierarchy / GROUP / self.folder.name for hierarchy in HIERARCHIES if hierarchy.is_dir()]

    def version(self) -> str:
        return self.run("systemctl", "--version").stdout.splitlines()[0]

    def prepare(self, services: Sequence[Service]) -> None:
        units, logs = self.make("c", "systemd", "user"), self.make("log")
        self.make("x").chmod(0o700)
        self.make("r", "system")
        Path("/run/systemd").mkdir(exist_ok=True)
        for group in self.outside():
            group.mkdir(parents=True, exist_ok=True)
        kind = "notify" if any(service.after for service in services) else "exec"
        for service in services:
            after = "".join(f"Requires={name}.service\nAfter={name}.service\n" for name in service.after)
            (units / f"{service.name}.service").write_text(
                f"[Unit]\nStartLimitIntervalSec=0\nDefaultDependencies=no\n{after}[Service]\nType={kind}\n"
                f"ExecStart={service.line}\nRestart=always\nRestartSec=0\n"
                f"StandardOutput=append:{logs}/{service.name}.log\nStandardError=inherit\n"
            )
        wants = "".join(f"Wants={service.name}.service\n" for service in services)
        (units / "bench.target").write_text(f"[Unit]\n{wants}")
        enter = "".join(f"echo $$ > {group}/cgroup.procs\n" for group in self.outside())
        (self.folder / "go.sh").write_text(
            f"#!/bin/sh\n{enter}mount --make-rprivate /; mount --bind {self.folder}/r /run/systemd\n"
            f"export XDG_CONFIG_HOME={self.folder}/c HOME={self.folder}\nexec {PROGRAM} --user --unit=bench.target\n"
        )

    def start(self) -> None:
        self.open("unshare", "-m", "sh", self.folder / "go.sh")

    def status_command(self, name: str) -> list[str]:
        return ["systemctl", "--user", "show", "-p", "ActiveState,MainPID", f"{name}.service"]

    def help_command(self) -> list[str]:
        return ["systemctl", "--version"]
