"""The house keeps its shape: every room is known, and what a stranger looks for is where it belongs."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "harness_core"
SHELF = ROOT / "harness_plugins"

ROOMS = {"cli", "config", "contracts", "daemon", "engine", "keeper", "plugins", "testing"}
PLUGINS = sorted(path.parent.name for path in SHELF.glob("*/pyproject.toml"))
SOURCES = sorted([*CORE.rglob("*.py"), *SHELF.glob("*/harness_plugin_*/**/*.py")])
EVERYTHING = sorted([*SOURCES, *ROOT.glob("tests/**/*.py"), *SHELF.glob("*/tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py")])


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_room_of_the_core_is_known() -> None:
    found = {path.name for path in CORE.iterdir() if path.is_dir() and any(path.glob("*.py"))}

    assert found == ROOMS, "a room came or went: say in ROOMS and in docs/adr what it is for"


def test_the_shelf_is_no_package() -> None:
    assert not (SHELF / "__init__.py").exists()


def test_nothing_is_imported_through_the_shelf() -> None:
    wrong = []
    for path in EVERYTHING:
        for node in ast.walk(tree_of(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{name_of(path)}:{node.lineno}" for name in names if name.split(".")[0] == "harness_plugins"]  # type: ignore[attr-defined]

    assert not wrong, "harness_plugins is a shelf, importing it makes a second copy of each module: " + ", ".join(wrong)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_has_what_a_stranger_looks_for(plugin: str) -> None:
    wanted = ("README.md", "tests/test_contract.py", f"harness_plugin_{plugin}/plugin.py", f"harness_plugin_{plugin}/py.typed")

    missing = [file for file in wanted if not (SHELF / plugin / file).is_file()]

    assert not missing


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_is_a_distribution_of_its_own(plugin: str) -> None:
    project = tomllib.loads((SHELF / plugin / "pyproject.toml").read_text())["project"]

    core = [each for each in project["dependencies"] if re.match(r"harness-services\b", each)]
    assert project["name"] == f"harness-plugin-{plugin}"
    assert project["entry-points"]["harness.plugins"] == {plugin: f"harness_plugin_{plugin}.plugin"}
    assert len(core) == 1, "a plugin depends on harness-services, and on no stranger's harness"
    assert re.search(r"<\s*1\b", core[0]), "an upper bound: the next major may have another contract"


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_is_proved_by_the_kit(plugin: str) -> None:
    classes = [node for node in tree_of(SHELF / plugin / "tests/test_contract.py").body if isinstance(node, ast.ClassDef)]

    bases = {ast.unparse(base).rpartition(".")[2] for node in classes for base in node.bases}

    assert any(base.endswith("Contract") for base in bases), f"no class inherits from a kit; bases: {sorted(bases)}"


def test_an_init_only_re_exports() -> None:
    statements = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr, ast.If)
    # PEP 562: a package whose names are imported on first use needs these two.
    lazy = {"__getattr__", "__dir__"}

    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path in SOURCES
        if path.name == "__init__.py"
        for node in tree_of(path).body
        if not isinstance(node, statements) and not (isinstance(node, ast.FunctionDef) and node.name in lazy)
    ]

    assert not wrong


def test_no_file_is_a_drawer_for_everything() -> None:
    drawers = [name_of(path) for path in SOURCES if path.stem in {"utils", "util", "common", "base", "helpers", "misc"}]

    assert not drawers, "a file is one noun: which one hides in here?"


def test_every_file_says_what_it_is() -> None:
    silent = [name_of(path) for path in SOURCES if not ast.get_docstring(tree_of(path))]

    assert not silent


def test_the_signpost_points_to_the_hooks() -> None:
    text = (ROOT / "hookspecs.py").read_text()

    assert "harness_core.hookspecs" in text
    assert len(text.splitlines()) <= 5
