"""Wheels of core and plugins, in an environment that has never seen the checkout, run the quickstart."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(path.parent for path in (ROOT / "harness_plugins").glob("*/pyproject.toml"))
QUIET = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """The folder of the wheels, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheels")
    pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT, *PLUGINS)
    return folder


@pytest.fixture(scope="module")
def environment(wheels, tmp_path_factory):
    """The bin folder of a new virtual environment into which the wheels were installed, and what they depend on."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip(folder / "bin" / "python", "install", *wheels.glob("*.whl"))
    return folder / "bin"


def pip(python, *arguments) -> None:
    done = subprocess.run(
        [python, "-m", "pip", "--quiet", *arguments],
        env={**os.environ, **QUIET}, cwd="/", capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture
def installed(harness, environment):
    """`harness` from the wheels, with the quickstart as its project."""
    harness.command = (str(environment / "harness"),)
    harness.env["PATH"] = f"{environment}:{harness.env['PATH'].partition(':')[2]}"
    shutil.copytree(ROOT / "examples" / "quickstart", harness.project, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data"))
    return harness


def test_there_is_one_wheel_for_the_core_and_one_for_each_plugin(wheels):
    names = {wheel.name.split("-")[0] for wheel in wheels.glob("*.whl")}

    assert names == {"harness_services", *(f"harness_plugin_{plugin.name}" for plugin in PLUGINS)}


def test_no_wheel_brings_anything_but_its_own_package_and_a_licence(wheels):
    for wheel in wheels.glob("*.whl"):
        names = zipfile.ZipFile(wheel).namelist()
        package = "harness_core" if wheel.name.startswith("harness_services") else wheel.name.split("-")[0]

        tops = {name.split("/")[0] for name in names}

        assert tops <= {package} | {top for top in tops if top.endswith(".dist-info")}
        assert not [name for name in names if "/tests/" in name]
        assert [name for name in names if re.search(r"dist-info/.*LICENSE", name)], f"{wheel.name} has no licence"


def test_the_quickstart_runs_from_the_wheels(installed, environment):
    installed.ok("up", "-d")

    states = {name: service["state"] for name, service in installed.status().items()}
    assert states == {"prepare": "completed", "api": "running", "worker": "running", "flaky": "running"}
    assert installed.ok("daemon", "status", "--json").json["prefix"] == str(environment.parent)
    installed.ok("down")


def test_the_code_that_runs_is_not_the_checkout(installed, environment):
    where = subprocess.run(
        [environment / "python", "-c", "import harness_core; print(harness_core.__file__)"],
        cwd=installed.project, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    assert str(environment.parent) in where


@pytest.fixture
def install_health(environment, wheels):
    """The environment without the health plugin, and a function that installs it again."""

    def install() -> None:
        pip(environment / "python", "install", "--no-index", *wheels.glob("harness_plugin_health-*.whl"))

    pip(environment / "python", "uninstall", "--yes", "harness-plugin-health")
    yield install
    install()


@pytest.mark.usefixtures("install_health")
def test_without_the_health_plugin_services_without_checks_run_and_the_others_name_it(installed):
    up = installed.run("up", "-d")

    assert up.code == 1
    assert re.search(r"services\.yaml:\d+:\d+: warning: no health check 'http'.*pip install harness-plugin-health", up.err)
    assert re.search(r"api +driver-missing: no health check 'http'.*pip install harness-plugin-health", up.text)
    installed.reaches("flaky", "running")
    states = {name: service["state"] for name, service in installed.status().items()}
    assert states == {"prepare": "completed", "api": "driver-missing", "worker": "blocked", "flaky": "running"}
    assert "harness-plugin-health" in installed.ok("why", "worker").out
    assert installed.run("validate").code == 3


def test_with_the_health_plugin_back_they_start(installed, install_health):
    installed.run("up", "-d")
    running = installed.reaches("flaky", "running")["pid"]

    install_health()
    installed.ok("daemon", "stop")
    installed.ok("up", "-d")

    states = {name: service["state"] for name, service in installed.status().items()}
    assert states == {"prepare": "completed", "api": "running", "worker": "running", "flaky": "running"}
    assert installed.service("flaky")["pid"] == running
