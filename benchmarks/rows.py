"""Rows: what is compared, what harness must reach and wants to reach, and how a figure is read from the results.

The limits come from a first series on a machine of its own; `reference` has what the tools did there. What counts are
ratios: a limit in time or throughput is scaled by how the same tools did in the series at hand.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.results import Results

Figure = Callable[[Results, str], float | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `more`: more is better. `own` reads harness's figure where that is another than the peers'."""

    label: str
    unit: str
    figure: Figure
    must: float
    wants: float
    own: Figure | None = None
    more: bool = False
    digits: int = 0
    scaled: bool = True
    reference: Mapping[str, float] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    """tools that do not do the same: shown nowhere in this row"""

    def harness(self, results: Results) -> float | None:
        """Harness's figure."""
        return (self.own or self.figure)(results, "harness")

    def peer(self, results: Results, tool: str) -> float | None:
        """A peer's figure; None also where it does something else."""
        return None if tool in self.apart else self.figure(results, tool)

    def factor(self, results: Results) -> float:
        """How many times as long (or much) this series took for the tools of the reference; 1 where nothing compares."""
        if not self.scaled:
            return 1.0
        pairs = [(self.figure(results, tool), value) for tool, value in self.reference.items()]
        ratios = [figure / value for figure, value in pairs if figure is not None]
        return statistics.median(ratios) if ratios else 1.0

    def holds(self, value: float, limit: float) -> bool:
        """Whether a figure is within a limit."""
        return value >= limit if self.more else value <= limit


def _median(measure: str, *keys: str, per: float = 1.0) -> Figure:
    def read(results: Results, tool: str) -> float | None:
        value = results.median(measure, tool, *keys)
        return None if value is None else value / per

    return read


def _quantile(measure: str, *keys: str, part: float) -> Figure:
    return lambda results, tool: results.quantile(measure, tool, *keys, part=part)


def _per_service(results: Results, tool: str) -> float | None:
    """Kilobytes for each service from 100 to 500."""
    few, many = (results.median(measure, tool, "resident_kB") for measure in ("start-many", "start-more"))
    return None if few is None or many is None else (many - few) / 400


ROWS = (
    Row("up, N = 100, daemon already there", "ms", _median("start-many", "up_ms"), 181, 120, own=_median("warm-many", "up_ms"),
        reference={"systemd": 181, "supervisord": 1691, "circus": 493, "pm2": 858, "floor": 63}),
    Row("up, N = 100, cold", "ms", _median("start-many", "up_ms"), 493, 350,
        reference={"systemd": 181, "supervisord": 1691, "circus": 493, "pm2": 858, "floor": 63}),
    Row("up, N = 500, cold", "ms", _median("start-more", "up_ms"), 1500, 963,
        reference={"systemd": 963, "supervisord": 3933, "circus": 2192, "pm2": 3964, "floor": 334}),
    Row("up, 3 × 10 chain, each level waits for readiness", "ms", _median("chain", "up_ms"), 200, 106,
        reference={"systemd": 106}),
    Row("down, N = 100", "ms", _median("start-many", "down_ms"), 50, 11, own=_median("warm-many", "down_ms"), digits=1,
        reference={"systemd": 11, "supervisord": 629, "circus": 17, "pm2": 1118, "floor": 7.5}),
    Row("down, N = 500", "ms", _median("start-more", "down_ms"), 200, 46, own=_median("warm-more", "down_ms"),
        reference={"systemd": 46, "supervisord": 1199, "circus": 105, "pm2": 5248, "floor": 32}),
    Row("memory of all own processes, N = 100", "MiB", _median("start-many", "resident_kB", per=1024), 55, 40, scaled=False),
    Row("memory per further service", "kB", _per_service, 25, 12, scaled=False),
    Row("restart after kill -9, p50", "ms", _quantile("restart", "restart_ms", part=0.5), 6, 3.4, digits=1,
        reference={"runit": 3.4, "pm2": 5.8, "floor": 1.0}),
    Row("restart after kill -9, p99", "ms", _quantile("restart", "restart_ms", part=0.99), 15, 5, digits=1,
        reference={"runit": 4.3, "floor": 1.4}),
    Row("log, 64 KiB writes, our CPU", "s/GB", _median("log-blocks", "cpu_s_per_GB"), 1.6, 0.9, digits=2,
        reference={"supervisord": 0.81, "circus": 8.5, "pm2": 4.8, "floor": 0.56}, apart=("systemd",)),
    Row("log, 64 KiB writes", "MB/s", _median("log-blocks", "MB_s"), 600, 1000, more=True,
        reference={"supervisord": 1000, "floor": 1030}, apart=("systemd",)),
    Row("log, a write per line", "MB/s", _median("log-lines", "MB_s"), 200, 275, more=True,
        reference={"s6": 275, "supervisord": 256, "circus": 121, "pm2": 90, "floor": 136}, apart=("systemd",)),
    Row("`status`, whole process", "ms", _median("commands", "status_ms"), 96, 60,
        reference={"supervisord": 96, "circus": 130, "pm2": 157}),
    Row("`--help`, whole process", "ms", _median("commands", "help_ms"), 90, 59, reference={"floor": 13}),
    Row("status by API, 1 client, p50", "ms", _median("api", "clients_1", "p50_us", per=1000), 0.35, 0.19, digits=2,
        reference={"circus": 0.19, "supervisord": 0.35}, apart=("s6", "runit")),
    Row("status by API, 1 client", "req/s", _median("api", "clients_1", "requests_s"), 2600, 4900, more=True,
        reference={"circus": 4900, "supervisord": 2600, "pm2": 170}, apart=("s6", "runit")),
    Row("status by API, 16 clients", "req/s", _median("api", "clients_16", "requests_s"), 6000, 11700, more=True,
        reference={"circus": 11700, "supervisord": 8900, "pm2": 250}, apart=("s6", "runit")),
    Row("idle CPU, N = 100", "s/min", _median("idle", "cpu_s_per_min"), 0.06, 0.02, digits=3, scaled=False),
)  # fmt: skip
"""What the peers do, too. systemd is apart where output is stored: it gives a service the file itself. runit and s6 have no
API: who wants to know reads a file."""

HOLD = (
    Row("1,000 services: start", "s", _median("hold-1000", "up_ms", per=1000), 15, 15, digits=1),
    Row("1,000 services: stop", "s", _median("hold-1000", "down_ms", per=1000), 5, 5, digits=2),
    Row("daemon killed: all 1,000 adopted", "s", _median("hold-1000", "adopt_ms", per=1000), 3, 3, digits=2),
    Row("keeper killed: another holds all 1,000", "s", _median("hold-1000", "keeper_ms", per=1000), 2, 2, digits=2),
    Row("keeper, 1,000 services", "MiB", _median("hold-1000", "keeper_kB", per=1024), 25, 25, scaled=False, digits=1),
    Row("daemon, 1,000 services and 200 clients", "MiB", _median("hold-1000", "daemon_with_clients_kB", per=1024), 250, 250,
        scaled=False, digits=1),
    Row("exit → event at a client, 1,000 services, p99", "ms", _quantile("hold-1000", "exit_to_event_ms", part=0.99), 50, 50,
        digits=1),
    Row("200 followers of a log, lines delivered", "1/s", _median("followers-200", "lines_s"), 19000, 19000, more=True),
    Row("200 followers, from line to reader, p99", "ms", _median("followers-200", "p99_ms"), 100, 100),
)  # fmt: skip
"""What harness has to hold; nobody to compare with."""

SCALE: Mapping[str, tuple[str, Callable[[int], Figure]]] = {
    "cold start": ("ms", lambda count: _median(f"hold-{count}", "up_ms")),
    "stop": ("ms", lambda count: _median(f"hold-{count}", "down_ms")),
    "adoption after kill -9 of the daemon": ("ms", lambda count: _median(f"hold-{count}", "adopt_ms")),
    "`status`, whole process": ("ms", lambda count: _median(f"hold-{count}", "status_ms")),
    "exit → event, p50": ("ms", lambda count: _quantile(f"hold-{count}", "exit_to_event_ms", part=0.5)),
    "daemon": ("MiB", lambda count: _median(f"hold-{count}", "daemon_kB", per=1024)),
    "keeper": ("MiB", lambda count: _median(f"hold-{count}", "keeper_kB", per=1024)),
    "daemon CPU per line to a follower (N followers)": ("µs", lambda count: _median(f"followers-{count}", "cpu_us")),
    "from line to follower, p99 (N followers)": ("ms", lambda count: _median(f"followers-{count}", "p99_ms")),
}
"""How cost grows with N."""
SIZES = (10, 100, 1000)
