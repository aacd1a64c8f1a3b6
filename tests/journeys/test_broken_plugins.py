"""Somebody has installed broken plugins: each is named with its cause, and services that need none of them run."""

from __future__ import annotations

from pathlib import Path

import pytest

OFFER = """\
from harness_core.contracts import Offer
from harness_core.hookspecs import hookimpl

@hookimpl
def harness_executors():
    return [Offer(name={name!r}, summary="nothing", create=lambda context: None, api={api!r})]
"""

CONFIG = """\
version: "1.0"
name: brave
services:
  good:
    type: process
    command: [sleep, "1000"]
"""


def install(site: Path, distribution: str, source: str) -> None:
    """A distribution as an installer leaves it: a module, and metadata with the entry point."""
    module = distribution.replace("-", "_")
    site.mkdir(exist_ok=True)
    (site / f"{module}.py").write_text(source)
    info = site / f"{module}-3.2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 3.2.1\n")
    (info / "entry_points.txt").write_text(f"[harness.plugins]\n{module} = {module}\n")


@pytest.fixture
def site(harness, tmp_path):
    """A folder of installed distributions that the command and the daemon see besides their own."""
    folder = tmp_path / "site"
    harness.env["PYTHONPATH"] = str(folder)
    install(folder, "plugin-raises", "raise RuntimeError('the licence server is away')")
    install(folder, "plugin-exits", "import sys; sys.exit('not today')")
    install(folder, "plugin-from-the-future", OFFER.format(name="hologram", api=(7, 0)))
    install(folder, "plugin-twin-one", OFFER.format(name="twin", api=(1, 0)))
    install(folder, "plugin-twin-two", OFFER.format(name="twin", api=(1, 0)))
    return folder


def test_each_is_a_row_with_its_cause(harness, site):
    broken = {row["distribution"]: row["cause"] for row in harness.ok("plugins", "--json").json["broken"]}

    assert "the licence server is away" in broken["plugin-raises"]
    assert "sys.exit" in broken["plugin-exits"]
    assert "7" in broken["plugin-from-the-future"]
    assert "plugin-twin-two" in broken["plugin-twin-one"]
    assert "plugin-twin-one" in broken["plugin-twin-two"]
    shown = harness.ok("plugins").text
    assert all(name in shown for name in broken)


def test_services_that_need_none_of_them_run(harness, site):
    harness.write(CONFIG)

    harness.ok("up", "-d")

    assert harness.service("good")["state"] == "running"


@pytest.mark.parametrize(
    ("type_", "culprit"),
    [("hologram", "plugin-from-the-future"), ("twin", "plugin-twin-one"), ("plugin_raises", "plugin-raises")],
)
def test_a_service_that_needs_one_is_refused_with_the_cause(harness, site, type_, culprit):
    harness.write(CONFIG + f"  bad: {{ type: {type_} }}\n")

    result = harness.run("validate")

    assert result.code == 3
    assert culprit in result.text


def test_it_alone_does_not_run_and_says_why(harness, site):
    bad = "  bad: { type: twin, colour: red }\n"
    harness.write(CONFIG + bad + "  worse: { type: process, command: sleep 1001, dependencies: [bad] }\n")

    up = harness.run("up", "-d")

    assert up.code == 1
    assert "services.yaml:7:16: warning: no executor 'twin'" in up.err
    assert harness.reaches("good", "running")
    assert harness.reaches("worse", "blocked")
    assert harness.service("bad")["state"] == "driver-missing"
    assert "plugin-twin-one" in harness.ok("why", "bad").out
    assert "plugin-twin-one" in harness.ok("why", "worse").out


def test_a_variable_rescues_from_a_plugin(harness, site):
    harness.env["HARNESS_DISABLE_PLUGINS"] = "plugin-twin-two,plugin-raises,plugin-exits,plugin-from-the-future"
    harness.write(CONFIG)

    answer = harness.ok("plugins", "--json").json

    assert not answer["broken"]
    assert "plugin-twin-one" in {row["distribution"] for row in answer["plugins"]}
