"""A newcomer runs `examples/quickstart`: every service gets where it should, and the flaky one is explained."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "quickstart"


def test_everything_comes_up_is_explained_and_goes_away(harness):
    shutil.copytree(EXAMPLE, harness.project, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data"))

    up = harness.ok("up", "-d")

    harness.reaches("flaky", "running")
    services = harness.status()
    assert {name: s["state"] for name, s in services.items()} == {
        "prepare": "completed",
        "api": "running",
        "worker": "running",
        "flaky": "running",
    }
    assert services["api"]["health"] == "healthy"
    assert services["flaky"]["restarts"] == 2
    url = services["api"]["endpoints"]["http"]
    assert url in up.text
    with urllib.request.urlopen(f"{url}/items", timeout=5) as answer:
        assert [item["name"] for item in json.load(answer)] == ["apple", "pear", "plum"]
    why = harness.ok("why", "flaky").out
    assert "the cache is cold" in why
    assert "code 1" in why

    harness.ok("down")

    assert not harness.strays()


def test_a_second_run_shows_the_flaky_service_again(harness):
    shutil.copytree(EXAMPLE, harness.project, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data"))
    for _ in range(2):
        harness.ok("up", "-d")
        assert harness.service("flaky")["restarts"] == 2
        harness.ok("down")
