"""Whole processes of the command line: one service's status, and the help."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.case import Bench, Case
from benchmarks.drivers import Driver


def timed(bench: Bench, kind: type[Driver], *, count: int, times: int) -> dict[str, Any] | None:
    """Milliseconds of each of so many calls, with N services running."""
    with Case(bench, kind, [f"s{number}" for number in range(count)]) as case:
        ask, help = case.driver.status_command("s0"), case.driver.help_command()
        if ask is None and help is None:
            return None
        case.up()
        case.settle(1.5)
        figures = {}
        for name, argv in (("status_ms", ask), ("help_ms", help)):
            if argv is not None:
                case.driver.run(*argv)  # the first one warms the disk
                figures[name] = [_once(case.driver, argv) for _ in range(times)]
        return figures


def _once(driver: Driver, argv: list[str]) -> float:
    began = time.monotonic_ns()
    driver.run(*argv)
    return (time.monotonic_ns() - began) / 1e6
