"""Run: rounds of measures over tools, interleaved, until there are enough of them or the time is up."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.case import Bench, Case
from benchmarks.drivers import Driver
from benchmarks.measures import Measure
from benchmarks.results import Results


@dataclass(slots=True)
class Run:
    """One series. Within a round each measure goes over all tools, so that a slow minute of the machine hits them all."""

    bench: Bench
    kinds: Sequence[type[Driver]]
    measures: Sequence[Measure]
    results: Results
    minutes: float
    rounds: int | None = None
    _costs: dict[str, float] = field(default_factory=dict)

    def all(self) -> None:
        """All rounds. The first is whole however long it takes; later ones take what fits into the time."""
        deadline = time.monotonic() + self.minutes * 60
        for kind in self.kinds:
            with Case(self.bench, kind, []) as case:
                self.results.version(kind.name, case.driver.version())
        for number in range(self.rounds or max(measure.rounds for measure in self.measures)):
            for measure in self.measures:
                enough = number >= (self.rounds or measure.rounds)
                if enough or (number > 0 and time.monotonic() + self._costs[measure.name] > deadline):
                    continue
                began = time.monotonic()
                self._measure(measure)
                self._costs[measure.name] = time.monotonic() - began
                _say(f"round {number + 1}, {measure.name}: {self._costs[measure.name]:.1f} s")

    def _measure(self, measure: Measure) -> None:
        groups = [list(self.kinds)] if measure.together else [[kind] for kind in self.kinds]
        for group in groups:
            try:
                answers = measure.run(self.bench, group)
            except Exception as error:
                # One tool that fails must not cost the others their figures; the report names it.
                names = ", ".join(kind.name for kind in group)
                self.results.trouble(measure.name, names, f"{type(error).__name__}: {error}")
                _say(f"{measure.name} of {names} failed:\n{traceback.format_exc()}")
                continue
            for tool, figures in answers.items():
                if figures is not None:
                    self.results.add(measure.name, tool, figures)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
