"""What is measured, by name: each a function of a bench and tools that answers figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.case import Bench
from benchmarks.drivers import Driver
from benchmarks.measures import api, commands, crash, followers, hold, idle, logs, restart, start

Figures = dict[str, Any]
Answers = Mapping[str, Figures | None]


@dataclass(frozen=True, slots=True)
class Measure:
    """`run` answers figures by tool, None where a tool has nothing of the kind."""

    name: str
    run: Callable[[Bench, Sequence[type[Driver]]], Answers]
    rounds: int = 3
    """how often at most; medians are taken over all rounds"""
    together: bool = False
    """all tools in one call; else one by one"""


def measures(*, small: bool = False) -> Mapping[str, Measure]:
    """All measures by name, in the order in which they run; `small`: just enough to see that they work."""
    many, more, size = (3, 5, 1_000_000) if small else (100, 500, 200_000_000)
    found = (
        Measure("start-many", _each(start.cold, count=many)),
        Measure("start-more", _each(start.cold, count=more), rounds=2),
        Measure("warm-many", _each(start.warm, count=many)),
        Measure("warm-more", _each(start.warm, count=more), rounds=2),
        Measure("chain", _each(start.chain, width=2 if small else 10)),
        Measure("commands", _each(commands.timed, count=many, times=2 if small else 10), rounds=2),
        Measure("api", _each(api.loaded, count=many, seconds=0.3 if small else 2.5), rounds=2),
        Measure("restart", _each(restart.killed, count=3 if small else 50, window=0.3 if small else 5.0), rounds=2),
        Measure("log-blocks", _each(logs.flooded, size=size, chunk=65536), rounds=2),
        Measure("log-lines", _each(logs.flooded, size=size, chunk=0), rounds=2),
        Measure("idle", partial(idle.together, count=many, seconds=0.5 if small else 30.0), rounds=1, together=True),
        Measure("crash-root", _each(crash.supervisor, everything=False), rounds=1),
        Measure("crash-all", _each(crash.supervisor, everything=True), rounds=1),
        *(
            Measure(f"hold-{count}", _each(hold.held, count=count, clients=3 if small else 200), rounds=2)
            for count in ((2,) if small else (10, 100, 1000))
        ),
        *(
            Measure(f"followers-{count}", _each(followers.following, count=count, seconds=0.5 if small else 3.0), rounds=1)
            for count in ((2,) if small else (10, 100, 200, 1000))
        ),
    )
    return {measure.name: measure for measure in found}


def _each(measure: Callable[..., Figures | None], **sizes: Any) -> Callable[[Bench, Sequence[type[Driver]]], Answers]:
    return lambda bench, kinds: {kind.name: measure(bench, kind, **sizes) for kind in kinds}
