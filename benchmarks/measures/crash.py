"""kill -9 of the supervisor: which services live on, what of their output is kept, and what the next one knows."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from benchmarks import processes
from benchmarks.case import Bench, Case
from benchmarks.drivers import Driver

LOGGERS = {"svlogd", "s6-log"}
CODE = 7
TICK = b"tick "


def supervisor(bench: Bench, kind: type[Driver], *, everything: bool) -> dict[str, Any]:
    """Three ticking services and one that exits with 7 while nobody is there; then the tool is started again.

    `everything`: all processes of the tool are killed, except loggers that are programs of their own.
    """
    go = bench.tmp / "go"
    go.unlink(missing_ok=True)
    does: dict[str, tuple[object, ...]] = dict.fromkeys(("s0", "s1", "s2"), ("tick", 10))
    does["leaver"] = ("leave", go, CODE)
    with Case(bench, kind, [*does], does=does.__getitem__) as case:
        case.up()
        case.settle(1.5)
        before = case.newest()
        leaver = before.pop("leaver")
        victims = [case.driver.root_pid()]
        if everything:
            victims = [pid for pid in case.tool() if _program(pid) not in LOGGERS]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        go.touch()
        processes.wait_gone([leaver.pid], timeout=5)
        time.sleep(1.0 * bench.pace)
        alive = sum(processes.alive(stamp.pid) for stamp in before.values())
        case.driver.start()
        case.settle(2.0)
        return {
            "killed": len(victims),
            "alive": alive,
            "kept": sum(processes.alive(stamp.pid) for stamp in before.values()),
            "instances": len(case.pids()),
            "services": len(before),
            "exit_code": case.driver.exit_code("leaver"),
            "gaps": sum(_gaps(case, stamp.name, stamp.pid) for stamp in before.values()),
        }


def _program(pid: int) -> str:
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def _gaps(case: Case, name: str, pid: int) -> int:
    """How many of the ticks of the run that was there before are missing up to the last one that was kept."""
    wanted = TICK + str(pid).encode() + b" "
    seen = set()
    for file in case.driver.logs(name):
        if file.exists():
            lines = file.read_bytes().splitlines()
            seen |= {int(line.rsplit(b" ", 1)[1]) for line in lines if wanted in line and line[-8:].isdigit()}
    return max(seen) + 1 - len(seen) if seen else 0
