"""docs/write-a-plugin.md and docs/hooks.md say what is so: the page's plugin is the one that tests install and prove."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from harness_core import hookspecs
from harness_core.contracts import Capability, ChangeKind, Offer

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "write-a-plugin.md").read_text()
HOOKS = (ROOT / "docs" / "hooks.md").read_text()
PROVED = ROOT / "tests" / "third_party" / "harness-plugin-shell"
FILES: dict[str, str] = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, flags=re.M | re.S))
HEADINGS = set(re.findall(r"^### `([^`]+)`$", HOOKS, flags=re.M))


def test_the_page_holds_the_whole_plugin() -> None:
    written = {str(path.relative_to(PROVED)) for path in PROVED.rglob("*") if path.is_file() and "__pycache__" not in path.parts}

    # The page says in words that there is an empty __init__.py.
    assert FILES.keys() | {"harness_plugin_shell/__init__.py"} == written
    assert (PROVED / "harness_plugin_shell" / "__init__.py").read_text() == ""


@pytest.mark.parametrize("title", FILES)
def test_what_the_page_prints_is_what_is_proved(title: str) -> None:
    assert FILES[title] == (PROVED / title).read_text()


def test_the_page_is_one_page() -> None:
    assert len(PAGE.splitlines()) <= 160


def test_the_page_s_commands_work(tmp_path: Path) -> None:
    for title, body in FILES.items():
        path = tmp_path / "plugin" / title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body)
    (tmp_path / "plugin" / "harness_plugin_shell" / "__init__.py").touch()
    commands = re.search(r"^```sh\n(.*?)^```$", PAGE, flags=re.M | re.S)
    assert commands is not None
    assert commands[1].splitlines() == ["pip install .", "pytest", "harness plugins"]
    run = {"cwd": tmp_path / "plugin", "capture_output": True, "text": True, "timeout": 300, "check": False}
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{tmp_path / 'site'}:{ROOT}", "HOME": str(tmp_path)}

    # Installed beside, without a network: this environment is not the reader's. The whole kit runs in tests/third_party.
    offline = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    pip = subprocess.run([sys.executable, "-m", "pip", "install", *offline, "--target", tmp_path / "site", "."], **run)
    kit = subprocess.run([sys.executable, "-m", "pytest", "-q", "-k", "exit_code or accepted"], env=env, **run)
    plugins = subprocess.run([sys.executable, "-m", "harness_core", "plugins"], env=env, **run)

    assert pip.returncode == 0, pip.stderr
    assert kit.returncode == 0, kit.stdout
    assert "5 passed" in kit.stdout
    assert plugins.returncode == 0, plugins.stderr
    assert "harness-plugin-shell" in plugins.stdout


@pytest.mark.parametrize("hook", [name for name in hookspecs.__all__ if name.startswith("harness_")])
def test_every_hook_has_a_heading(hook: str) -> None:
    assert hook in HEADINGS


@pytest.mark.parametrize("field", [field.name for field in fields(Offer)])
def test_every_field_of_an_offer_has_a_heading(field: str) -> None:
    assert field in HEADINGS


@pytest.mark.parametrize("capability", [capability.name for capability in Capability])
def test_every_capability_has_a_heading(capability: str) -> None:
    assert capability in HEADINGS


@pytest.mark.parametrize("kind", [kind.value for kind in ChangeKind])
def test_every_kind_of_change_has_a_heading(kind: str) -> None:
    assert kind in HEADINGS


def test_no_heading_is_about_something_that_is_gone() -> None:
    known = {name for name in hookspecs.__all__ if name.startswith("harness_")}
    known |= {field.name for field in fields(Offer)} | {c.name for c in Capability} | {kind.value for kind in ChangeKind}

    assert known >= HEADINGS
