"""Somebody has written an executor, in a file of 60 lines: installed, it passes the kit and runs services."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "third_party"

CONFIG = """\
version: "1.0"
name: poetry
services:
  poem: { type: recite, lines: [tyger tyger, burning bright], stay: true }
  short: { type: recite, lines: [so much depends], code: 4, restart: "no", dependencies: [poem] }
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which the distribution was installed by pip."""
    folder = tmp_path_factory.mktemp("third-party")
    source = shutil.copytree(SOURCE, folder / "source")
    site = folder / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", site, source],
        check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"},
    )  # fmt: skip
    return site


def test_it_has_at_most_sixty_lines_of_code():
    lines = (SOURCE / "somebodys_reciter.py").read_text().splitlines()

    assert len([line for line in lines if line.strip()]) <= 60


def test_it_passes_the_kit(site):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "contract.py"],
        env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=False, cwd=site.parent / "source",
        timeout=120,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_it_runs_services(harness, site):
    harness.env["PYTHONPATH"] = str(site)
    harness.write(CONFIG)

    result = harness.run("up", "-d")

    assert result.code == 1, "'short' ends with 4"
    services = harness.status()
    assert services["poem"]["type"] == "recite"
    assert services["poem"]["state"] == "running"
    assert services["short"]["exit"]["code"] == 4
    assert harness.lines("poem") == ["tyger tyger", "burning bright"]
    assert harness.lines("short") == ["so much depends"]
    harness.ok("stop", "poem")
    assert harness.service("poem")["state"] == "stopped"


def test_its_keys_are_checked_like_ours(harness, site):
    harness.env["PYTHONPATH"] = str(site)
    harness.write(CONFIG.replace("stay: true", "stay: maybe").replace("code: 4", "cod: 4"))

    result = harness.run("validate")

    assert result.code == 3
    assert "maybe" in result.text
    assert "cod" in result.text
