"""Who may import whom: each part of the house imports only from lower floors."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]

# What each part of harness_core may import of the others, besides itself; a longer name wins over a shorter one.
# `harness_core` itself holds two constants, which everybody may have.
ALLOWED: dict[str, set[str]] = {
    # 0: what a stranger's plugin and a stranger's host get
    "contracts": set(),
    "keeper": set(),
    # 1
    "hookspecs": {"contracts"},
    # 2: values and pure functions, and where things are kept
    "mask": {"contracts"},
    "template": {"contracts"},
    "config.model": {"contracts", "template"},
    "config.durations": {"contracts"},
    "installation": {"contracts"},
    "graph": {"contracts", "config.model"},
    "plan": {"contracts", "config.model", "graph"},
    "protocol": {"contracts"},
    "kinds": set(),
    "private": {"contracts"},
    "paths": {"contracts", "private"},
    "certificates": {"contracts", "private"},
    "trust": {"contracts", "private", "paths", "certificates"},
    "transport": {"contracts", "protocol", "paths", "private", "trust"},
    "summon": {"contracts", "protocol", "paths", "private", "trust", "transport", "installation",
               "client"},  # of client, a type alone
    # 3: config.schema takes offers as an argument; the loader asks it whether an offer's own schema can be used
    "config": {"contracts", "hookspecs", "template", "mask", "graph"},
    "plugins": {"contracts", "hookspecs", "config.schema"},
    # The kits look at offers with the loader's own eyes. Nothing of the core imports testing: a floor by itself.
    "testing": {"contracts", "hookspecs", "keeper", "plugins"},
    # A whole daemon in this process, for tests of what talks to it.
    "testing.loopback": {"contracts", "client", "transport", "protocol", "daemon", "engine", "plugins", "config", "testing"},
    # 4
    "engine": {"contracts", "keeper", "plugins", "graph", "plan", "config.model", "config.durations", "template", "mask"},
    # 5
    "daemon": {"contracts", "keeper", "engine", "protocol", "plugins", "config", "graph", "plan", "mask", "template", "paths",
               "private", "trust", "certificates", "transport", "installation"},
    "client": {"contracts", "protocol", "mask", "paths", "private", "trust", "transport", "summon"},
    # 6
    "cli": {"contracts", "hookspecs", "client", "protocol", "kinds", "config", "plugins", "graph", "plan", "mask", "template",
            "paths", "private", "trust", "transport", "summon", "installation"},
    "__main__": {"cli"},
}  # fmt: skip
NOT_OURS = {"contracts": set[str](), "keeper": set[str](), "hookspecs": {"pluggy"}}
FOR_PLUGINS = {"harness_core.contracts", "harness_core.hookspecs", "harness_core.keeper"}

CORE = {
    path: ".".join(path.relative_to(ROOT).with_suffix("").parts[1:]).removesuffix(".__init__")
    for path in sorted(ROOT.glob("harness_core/**/*.py"))
    if path != ROOT / "harness_core" / "__init__.py"
}
PLUGINS = sorted(ROOT.glob("harness_plugins/*/harness_plugin_*/**/*.py"))


@cache
def imports(path: Path) -> tuple[tuple[str, int], ...]:
    """Every module or name that a file imports, wherever in it, with its line; `from a import b` gives `a.b`."""
    return tuple(_imports(ast.parse(path.read_text())))


def _imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def is_within(module: str, parts: set[str]) -> bool:
    return any(module == part or module.startswith(f"{part}.") for part in parts)


def part_of(module: str) -> str | None:
    return max((part for part in ALLOWED if is_within(module, {part})), key=len, default=None)


def test_every_part_has_a_floor() -> None:
    homeless = [module for module in CORE.values() if part_of(module) is None]

    assert not homeless, f"give {', '.join(homeless)} a line in ALLOWED"


def test_imports_go_down() -> None:
    wrong = []
    for path, module in CORE.items():
        part = part_of(module) or module
        allowed = {f"harness_core.{name}" for name in ALLOWED.get(part, set()) | {part}}
        allowed |= {"harness_core.__version__", "harness_core.API_VERSION"}
        for imported, line in imports(path):
            if imported.startswith("harness_core.") and not is_within(imported, allowed):
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {part} may not import {imported}")

    assert not wrong, "\n".join(wrong)


def test_the_ground_floor_needs_the_standard_library_only() -> None:
    wrong = []
    for path, module in CORE.items():
        part = part_of(module)
        if part in NOT_OURS:
            known = sys.stdlib_module_names | {"harness_core"} | NOT_OURS[part]
            wrong += [f"{module}:{line}: {name}" for name, line in imports(path) if name.split(".")[0] not in known]

    assert not wrong, "\n".join(wrong)


def test_the_core_knows_no_plugin() -> None:
    wrong = [
        f"{module}:{line}: {imported}"
        for path, module in CORE.items()
        for imported, line in imports(path)
        if imported.startswith("harness_plugin")
    ]

    assert not wrong, "\n".join(wrong)


def test_a_plugin_imports_what_is_meant_for_plugins() -> None:
    wrong = []
    for path in PLUGINS:
        own = path.relative_to(ROOT / "harness_plugins").parts[1]
        for imported, line in imports(path):
            ours = imported.startswith(("harness_core", "harness_plugin"))
            server_side = is_within(imported, {"harness_core.keeper.server"})
            if ours and (server_side or not is_within(imported, FOR_PLUGINS | {own})):
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {imported}")

    assert not wrong, "\n".join(wrong)
