"""Measure harness beside its peers (`run`), and write down how they did (`render`)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import report
from benchmarks.case import bench
from benchmarks.drivers import DRIVERS
from benchmarks.measures import measures
from benchmarks.results import Results
from benchmarks.run import Run

HERE = Path(__file__).parent


def main() -> int:
    """0, or 1 when something could not be measured."""
    options = _options()
    if options.what == "run":
        return _run(options)
    report.write(Results.read(options.results), options.into, imports=HERE / "imports.json")
    return 0


def _run(options: argparse.Namespace) -> int:
    known = measures(small=options.small)
    chosen = [known[name] for name in _chosen(options.measures, list(known), what="measure")]
    tools = [DRIVERS[name] for name in _chosen(options.tools, list(DRIVERS), what="tool")]
    here = [tool for tool in tools if tool.available(options.peers)]
    for tool in tools:
        if tool not in here:
            print(f"{tool.name} is not installed here and is left out", file=sys.stderr)
    results = Results.fresh(options.out)
    with bench(options.peers, pace=0.05 if options.small else 1.0) as ours:
        Run(ours, here, chosen, results, minutes=options.minutes, rounds=options.rounds).all()
    return 1 if results.content["trouble"] else 0


def _chosen(given: str | None, known: list[str], *, what: str) -> list[str]:
    names = given.split(",") if given else known
    for name in names:
        if name not in known:
            raise SystemExit(f"no {what} {name!r}; there are: {', '.join(known)}")
    return names


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parts = parser.add_subparsers(dest="what", required=True)
    run = parts.add_parser("run", help="measure, and write raw figures")
    run.add_argument("--peers", type=Path, default=HERE / "peers", metavar="FOLDER", help="where install-peers has put them")
    run.add_argument("--out", type=Path, default=HERE / "results.json", metavar="FILE")
    run.add_argument("--tools", metavar="A,B", help=f"only these of {', '.join(DRIVERS)}")
    run.add_argument("--measures", metavar="A,B", help=f"only these of {', '.join(measures())}")
    run.add_argument("--minutes", type=float, default=15, help="no further rounds after that; 15")
    run.add_argument("--rounds", type=int, help="so many of each measure, instead of its own number")
    run.add_argument("--small", action="store_true", help="a few services and short times: to see that it works")
    render = parts.add_parser("render", help="write RESULTS.md and scale.svg from raw figures")
    render.add_argument("results", type=Path, nargs="?", default=HERE / "results.json", metavar="FILE")
    render.add_argument("--into", type=Path, default=HERE, metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
