"""From the wish to the last service's first instruction, and back to none; memory in between."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from benchmarks import processes
from benchmarks.case import Bench, Case
from benchmarks.drivers import Driver, Harness


def cold(bench: Bench, kind: type[Driver], *, count: int) -> dict[str, Any]:
    """Nothing runs: the tool and N services start; memory of all the tool's processes; all services stop."""
    with Case(bench, kind, _names(count)) as case:
        up = case.up()
        case.settle(1.0)
        tool = case.tool()
        resident = processes.resident(tool)
        case.driver.before_stop()
        down = case.down()
        return {"up_ms": up, "down_ms": down, "resident_kB": resident, "processes": len(tool), "services": count}


def warm(bench: Bench, kind: type[Driver], *, count: int) -> dict[str, Any] | None:
    """The daemon is there: N services start and stop through a connected client, then by the whole command."""
    if not issubclass(kind, Harness):
        return None
    with Case(bench, kind, _names(count)) as case:
        harness = case.driver
        assert isinstance(harness, Harness)
        harness.start_daemon()
        request = harness.apply()
        harness.daemon()
        figures = {"up_ms": case.up(start=lambda: harness.start_connected(request))}
        case.settle(1.0)
        figures["down_ms"] = case.down()
        case.settle(0.5)
        figures["up_command_ms"] = case.up(start=lambda: harness.open(*harness.command("up", "-d", "--no-wait")))
        case.settle(1.0)
        figures["down_command_ms"] = case.down(stop=lambda: harness.open(*harness.command("down")))
        return figures


def chain(bench: Bench, kind: type[Driver], *, width: int) -> dict[str, Any] | None:
    """Three levels of services; each level waits until all of the one before are ready."""
    if not kind.dependencies:
        return None
    levels = [[f"l{level}n{number}" for number in range(width)] for level in range(3)]
    before = {name: tuple(levels[level - 1]) for level in (1, 2) for name in levels[level]}
    with Case(bench, kind, [name for level in levels for name in level], after=lambda name: before.get(name, ())) as case:
        if isinstance(harness := case.driver, Harness):
            harness.start_daemon()
            request = harness.apply()
            harness.daemon()
            up = case.up(start=lambda: harness.start_connected(request))
        else:
            up = case.up()
        times = defaultdict(list)
        for stamp in case.stamps.all():
            times[stamp.name[:2]].append(stamp.at)
        in_order = max(times["l0"]) < min(times["l1"]) and max(times["l1"]) < min(times["l2"])
        return {"up_ms": up, "in_order": in_order}


def _names(count: int) -> list[str]:
    return [f"s{number}" for number in range(count)]
