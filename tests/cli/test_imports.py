"""What a command costs before it does anything: modules that it must not import."""

from __future__ import annotations

import subprocess
import sys

import pytest

FOREIGN = ("rich", "asyncio", "websockets", "yaml", "jsonschema", "pluggy", "cryptography", "importlib.metadata")


def imported(*arguments: str, environ: dict[str, str] | None = None, cwd: str | None = None) -> set[str]:
    """The modules that are there after a command has run, standard output being a pipe."""
    program = (
        "import sys\n"
        "from harness_core.cli.main import main\n"
        f"code = main({list(arguments)!r})\n"
        "sys.stderr.write('\\n' + ' '.join(sys.modules) + f' exit={code}')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environ, cwd=cwd, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["status", "--help"], ["up", "--help"], ["version"], ["statsu"]])
def test_help_and_usage_errors_import_nothing_heavy(arguments):
    modules = imported(*arguments)

    assert not modules & set(FOREIGN)
    assert not any(module.startswith("harness_core.engine") for module in modules)


def test_help_imports_no_command():
    assert not any(module.startswith("harness_core.cli.commands.") for module in imported("--help"))


@pytest.mark.parametrize("arguments", [["status"], ["stop"], ["logs"], ["status", "--json"], ["exec", "one", "true"]])
def test_the_fast_path_needs_neither_asyncio_nor_rich_nor_plugins(harness, arguments):
    harness.write("version: '1.0'\nname: quick\nservices:\n  one: {type: process, command: [sleep, '1000']}\n")
    harness.ok("up", "-d")

    modules = imported(*arguments, environ=harness.env, cwd=str(harness.project))

    assert "exit=0" in modules
    assert not modules & set(FOREIGN)


def test_up_needs_no_jsonschema_here(harness):
    harness.write("version: '1.0'\nname: quick\nservices:\n  one: {type: process, command: [sleep, '1000']}\n")

    modules = imported("up", "-d", environ=harness.env, cwd=str(harness.project))

    assert "exit=0" in modules
    assert not modules & {"jsonschema", "asyncio", "websockets", "pluggy"}
