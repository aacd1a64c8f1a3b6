#!/usr/bin/env python3
"""How harness does with many services: N times `sleep`, timed through the command, in a state directory of its own.

    python benchmarks/thousand.py [N] [--json] [--idle SECONDS]

N is 1000 unless given. Times are of whole commands, in seconds; memory is resident, in MiB. Everything is stopped and
removed at the end. Needs `harness` beside the interpreter that runs this, or on PATH.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> int:
    """Print the measurements; 1 when a step did not reach what it should."""
    parser = argparse.ArgumentParser(description="Time and memory of N sleeping services.")
    parser.add_argument("count", nargs="?", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--idle", type=float, default=10.0, metavar="SECONDS", help="how long to watch it idle; 10")
    options = parser.parse_args()
    beside = Path(sys.executable).with_name("harness")
    harness = str(beside) if beside.exists() else shutil.which("harness")
    if harness is None:
        parser.error("no `harness` beside this interpreter, nor on PATH")
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as folder:
        bench = Bench(harness, Path(folder), options.count)
        try:
            figures = bench.measure(idle=options.idle)
        except Missed as missed:
            print(missed, file=sys.stderr)
            return 1
        finally:
            bench.run("daemon", "stop", "--services", check=False)
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:32} {value:>10}")
    return 0


class Missed(Exception):
    """A step did not reach what it should."""


class Bench:
    """One daemon with N services."""

    def __init__(self, harness: str, folder: Path, count: int) -> None:
        self.harness = harness
        self.folder = folder
        self.count = count
        self.env = {**os.environ, "HARNESS_STATE_DIR": str(folder / "state")}
        lines = ['version: "1.0"', "name: thousand", "services:"]
        lines += [f'  s{number}: {{ type: process, command: [sleep, "100000"] }}' for number in range(count)]
        (folder / "services.yaml").write_text("\n".join(lines) + "\n")

    def measure(self, *, idle: float) -> dict[str, Any]:
        """Every figure by name."""
        figures: dict[str, Any] = {"services": self.count}
        figures["daemon start, s"] = self.timed("daemon", "start")[0]
        daemon, keeper = self.pids()
        figures["daemon before, MiB"] = memory(daemon)
        figures["keeper before, MiB"] = memory(keeper)
        figures["up -d, s"] = self.timed("up", "-d")[0]
        figures["status, s"], answer = self.timed("status", "--json")
        running = [service for service in json.loads(answer)["services"] if service["state"] == "running"]
        if len(running) != self.count:
            raise Missed(f"only {len(running)} of {self.count} services run")
        figures["daemon with all, MiB"] = memory(daemon)
        figures["keeper with all, MiB"] = memory(keeper)
        figures["idle CPU, s a minute"] = self.idle_cpu(idle, daemon, keeper)

        os.kill(daemon, signal.SIGKILL)
        figures["after kill -9: status, s"], answer = self.timed("status", "--json")
        pids = {service["pid"] for service in json.loads(answer)["services"]}
        if pids != {service["pid"] for service in running}:
            raise Missed("not all services were adopted with their pids")

        figures["down, s"] = self.timed("down")[0]
        return figures

    def pids(self) -> tuple[int, int]:
        """The daemon's and the keeper's."""
        status = json.loads(self.run("daemon", "status", "--json"))
        return status["pid"], status["keeper"]["pid"]

    def timed(self, *arguments: str) -> tuple[float, str]:
        """Seconds that a command took, and what it said."""
        began = time.monotonic()
        said = self.run(*arguments)
        return round(time.monotonic() - began, 2), said

    def run(self, *arguments: str, check: bool = True) -> str:
        """What a command says on stdout."""
        argv = [self.harness, *arguments]
        done = subprocess.run(argv, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise Missed(f"harness {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout

    def idle_cpu(self, seconds: float, *pids: int) -> float:
        """CPU seconds a minute that these use while nothing happens."""
        before = sum(map(cpu, pids))
        time.sleep(seconds)
        return round((sum(map(cpu, pids)) - before) * 60 / seconds, 3)


def memory(pid: int) -> float:
    """Resident memory in MiB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return round(int(line.split()[1]) / 1024, 1)


def cpu(pid: int) -> float:
    """CPU seconds used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
