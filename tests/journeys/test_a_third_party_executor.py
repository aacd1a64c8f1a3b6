"""Somebody has written an executor in sixty lines: once installed, services of its type run like any other."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "third_party" / "harness-plugin-shell"

CONFIG = """\
version: "1.0"
name: poetry
services:
  poem: { type: shell, script: "echo tyger tyger; echo burning bright; exec sleep 1000" }
  short: { type: shell, script: "echo so much depends; exit 4", restart: "no", dependencies: [poem] }
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which pip has installed the distribution."""
    folder = tmp_path_factory.mktemp("third-party")
    source = shutil.copytree(SOURCE, folder / "source")
    site = folder / "site"
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", site, source],
        check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"},
    )  # fmt: skip
    return site


def test_it_runs_services_which_survive_the_daemon(harness, site):
    harness.env["PYTHONPATH"] = str(site)
    harness.write(CONFIG)

    harness.run("up", "-d")

    services = harness.status()
    assert services["poem"]["type"] == "shell"
    assert services["poem"]["state"] == "running"
    assert services["short"]["exit"]["code"] == 4
    assert harness.lines("poem") == ["tyger tyger", "burning bright"]
    assert harness.lines("short") == ["so much depends"]

    os.kill(harness.daemon_pid, signal.SIGKILL)
    assert harness.service("poem")["run"] == services["poem"]["run"]

    harness.ok("stop", "poem")
    assert harness.service("poem")["state"] == "stopped"
    assert not harness.strays()


def test_its_keys_are_checked_like_ours(harness, site):
    harness.env["PYTHONPATH"] = str(site)
    harness.write(CONFIG.replace("script: ", "scrip: ", 1))

    result = harness.run("validate")

    assert result.code == 3
    assert "scrip" in result.text
    assert "services.yaml:4:" in result.text


def test_uninstalled_it_is_missed_by_name(harness):
    harness.write(CONFIG)

    result = harness.run("validate")

    assert result.code == 3
    assert "no executor 'shell'; installed: process, process-attach" in result.text
