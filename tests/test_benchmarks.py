"""The benchmarks run: what nobody runs is wrong by the time somebody needs a number. Nothing here judges a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import imports, processes, report
from benchmarks.case import Bench, bench
from benchmarks.drivers import DRIVERS, Harness, Service
from benchmarks.measures import measures
from benchmarks.plot import loglog
from benchmarks.reasons import REASONS
from benchmarks.results import Results
from benchmarks.rows import HOLD, ROWS, SCALE, Row

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
SMALL = measures(small=True)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("no-peers"), pace=0.02) as found:
        yield found
        left = processes.marked("", service=found.service)[1]
        assert not left


def taken(ours: Bench, name: str) -> dict[str, object]:
    """What one measure says of harness, after leaving nothing behind."""
    figures = SMALL[name].run(ours, [Harness])["harness"]
    assert figures is not None
    assert {path.name for path in ours.tmp.iterdir()} <= {"svc", "go"}
    return dict(figures)


@pytest.mark.parametrize("name", ["start-many", "warm-many", "chain", "commands", "api", "restart", "idle"])
def test_a_measure_takes_figures_of_harness(ours, name):
    figures = taken(ours, name)

    assert all(value for key, value in figures.items() if key != "cpu_s_per_min")
    assert figures.get("in_order", True) is True
    assert len(figures.get("restart_ms", "three")) in (3, 5)


@pytest.mark.parametrize("name", ["log-blocks", "log-lines"])
def test_a_flood_of_output_is_kept_to_the_last_line(ours, name):
    figures = taken(ours, name)

    assert figures["lost_lines"] == 0
    assert figures["MB_s"] > 0


@pytest.mark.parametrize(("name", "code"), [("crash-root", 7), ("crash-all", None)])
def test_after_a_crash_services_and_their_output_are_there(ours, name, code):
    figures = taken(ours, name)

    assert figures["kept"] == figures["services"]
    assert figures["gaps"] == 0
    assert figures["instances"] == figures["services"] + 1
    assert figures["exit_code"] in (7, code)


def test_a_life_with_n_services_is_timed_step_by_step(ours):
    figures = taken(ours, "hold-2")

    assert len(figures.pop("exit_to_event_ms")) == 2
    assert all(value > 0 for value in figures.values())


def test_followers_get_the_lines(ours):
    figures = taken(ours, "followers-2")

    assert figures["count"] > 0
    assert figures["p99_ms"] > 0


def test_the_command_measures_and_renders(tmp_path):
    raw = tmp_path / "results.json"
    run = [sys.executable, "-m", "benchmarks", "run", "--small", "--rounds", "1", "--tools", "floor", "--measures", "start-many"]

    subprocess.run([*run, "--peers", tmp_path, "--out", raw], cwd=ROOT, check=True, timeout=120, capture_output=True)
    subprocess.run([sys.executable, "-m", "benchmarks", "render", raw, "--into", tmp_path], cwd=ROOT, check=True, timeout=60)

    assert json.loads(raw.read_text())["figures"]["start-many"]["floor"][0]["up_ms"] > 0
    assert "| up, N = 100, cold, ms |" in (tmp_path / "RESULTS.md").read_text()


def test_an_unknown_measure_is_refused_by_name(tmp_path):
    argv = [sys.executable, "-m", "benchmarks", "run", "--measures", "speed", "--out", tmp_path / "x.json"]

    done = subprocess.run(argv, cwd=ROOT, check=False, timeout=60, capture_output=True, text=True)

    assert done.returncode == 1
    assert "no measure 'speed'" in done.stderr
    assert not (tmp_path / "x.json").exists()


# systemd makes control groups with its units, which takes root and a hierarchy to make them in.
@pytest.mark.parametrize("name", sorted(DRIVERS.keys() - {"harness", "systemd"}))
def test_a_driver_writes_what_its_tool_reads(name, tmp_path):
    driver = DRIVERS[name](tmp_path, os.environ, tmp_path)

    driver.prepare([Service("s0", ("/bin/sleep", "1")), Service("s1", ("/bin/sleep", "2"))])

    written = "".join(f"{path} {path.read_text()}" for path in tmp_path.rglob("*") if path.is_file())
    assert all(word in written for word in ("s0", "s1", "/bin/sleep"))


def series(tmp_path: Path, **figures: dict[str, list[dict[str, object]]]) -> Results:
    results = Results.fresh(tmp_path / "results.json")
    results.content["figures"] = {name.replace("_", "-"): value for name, value in figures.items()}
    return results


def test_a_limit_follows_how_the_same_tools_did_in_this_series(tmp_path):
    results = series(tmp_path, start_many={"systemd": [{"up_ms": 362.0}], "circus": [{"up_ms": 986.0}]})
    cold = next(row for row in ROWS if row.label == "up, N = 100, cold")

    assert cold.factor(results) == pytest.approx(2.0)
    assert cold.holds(600.0, cold.must * cold.factor(results))
    assert not cold.holds(600.0, cold.must)


def test_what_does_not_hold_is_named_with_its_reason(tmp_path):
    results = series(tmp_path, log_blocks={"harness": [{"MB_s": 10.0, "cpu_s_per_GB": 0.5, "lost_lines": 0}]})

    report.write(results, tmp_path)
    text = (tmp_path / "RESULTS.md").read_text()

    assert "✗ ≥ 600" in text
    assert "- log, 64 KiB writes: **must**." in text
    assert "- log, 64 KiB writes, our CPU" not in text


def test_every_row_reads_a_measure_that_is_taken():
    spy = Spy()

    for row in (*ROWS, *HOLD):
        row.harness(spy)
        row.figure(spy, "circus")
    for _, figure in SCALE.values():
        figure(100)(spy, "harness")

    assert spy.asked <= set(measures())
    assert spy.asked >= {"start-many", "warm-more", "hold-1000", "followers-200", "idle"}


def test_every_reason_belongs_to_a_row():
    assert set(REASONS) <= {row.label for row in (*ROWS, *HOLD)}


class Spy(Results):
    """Results that have nothing, and remember what they were asked for."""

    def __init__(self) -> None:
        super().__init__(Path(), {"figures": {}})
        self.asked: set[str] = set()

    def values(self, measure: str, tool: str, *keys: str) -> list[float]:
        self.asked.add(measure)
        return []


def test_the_plot_is_a_picture_with_every_curve():
    curves = {"start <ms>": [(10.0, 5.0), (100.0, 50.0), (1000.0, 700.0)], "stop": [(10.0, 1.0), (1000.0, 90.0)]}

    picture = ElementTree.fromstring(loglog(curves, across="N"))

    lines = picture.findall(".//{*}polyline")
    assert [line[0].text for line in lines] == ["start <ms>", "stop"]


def test_the_results_are_those_of_the_raw_figures(tmp_path):
    raw = BENCHMARKS / "results.json"
    assert raw.exists() == (BENCHMARKS / "RESULTS.md").exists()

    if raw.exists():
        report.write(Results.read(raw), tmp_path, imports=BENCHMARKS / "imports.json")
        for name in ("RESULTS.md", "scale.svg"):
            assert (tmp_path / name).read_text() == (BENCHMARKS / name).read_text()


def test_imports_are_read_into_a_tree():
    text = "import time: self [us] | cumulative | imported package\nimport time: 1 | 2000 |   b\nimport time: 5 | 9000 | a\n"

    (root,) = imports._parsed(text)

    assert root.lines() == ["    9.0  a", "    2.0    b"]


def test_a_row_without_a_figure_is_a_dash(tmp_path):
    row = Row("nothing", "ms", lambda results, tool: None, 1, 1)

    assert report._number(row.harness(series(tmp_path)), row) == "–"
