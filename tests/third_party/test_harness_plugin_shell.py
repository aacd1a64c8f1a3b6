"""A stranger's executor, as its own distribution: installed, found, proved by the kit; nothing in the core knows it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("harness-plugin-shell")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which pip has installed it, from its source, without a network."""
    folder = tmp_path_factory.mktemp("stranger")
    source = shutil.copytree(SOURCE, folder / "source")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(folder / "site"), str(source)], check=True, timeout=300
    )
    return folder / "site"


def python(*argv: str, installed: Path, timeout: float = 180) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"}
    return subprocess.run(
        [sys.executable, *argv], env=env, cwd=installed, capture_output=True, text=True, timeout=timeout, check=False
    )


def test_it_is_no_longer_than_sixty_lines() -> None:
    assert len((SOURCE / "harness_plugin_shell" / "plugin.py").read_text().splitlines()) <= 60


def test_it_is_found_by_its_entry_point(installed: Path) -> None:
    code = "import json; from harness_core.plugins import discover; print(json.dumps(discover().to_json()))"

    answer = python("-c", code, installed=installed)

    assert answer.returncode == 0, answer.stderr
    catalog = json.loads(answer.stdout)
    ours = [plugin for plugin in catalog["plugins"] if plugin["distribution"] == "harness-plugin-shell"]
    assert [plugin["version"] for plugin in ours] == ["1.0"]
    assert [offer["name"] for offer in ours[0]["offers"]] == ["shell"]
    assert not [plugin for plugin in catalog["broken"] if plugin["distribution"] == "harness-plugin-shell"]


@pytest.mark.slow
def test_it_passes_the_kit(installed: Path) -> None:
    tests = SOURCE / "tests"

    answer = python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--rootdir={tests}",
        "-c", str(SOURCE / "pyproject.toml"), str(tests), installed=installed, timeout=900,
    )  # fmt: skip

    assert answer.returncode == 0, answer.stdout[-5000:]
    passed = re.search(r"(\d+) passed", answer.stdout)
    assert passed is not None
    assert int(passed[1]) >= 100
    assert "failed" not in answer.stdout
