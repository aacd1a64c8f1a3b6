"""docs/config.md says what the code does: tables, examples, kinds of errors."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from harness_core.config.bundle import Bundle, SourceFile
from harness_core.config.core_keys import COMMAND, SERVICE, TOP
from harness_core.config.schema import Offers
from harness_core.config.validate import parse
from harness_core.plugins import discover

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "config.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@cache
def installed() -> Offers:
    return discover()


def test_the_tables_are_what_the_schema_says() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "make-docs"), "--check"], check=False, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr


def test_every_key_is_in_the_page() -> None:
    missing = [key for key in {**TOP, **SERVICE, **COMMAND} if f"| `{key}` |" not in PAGE]

    assert not missing


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 7


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("\n", 1)[0])
def test_every_example_is_valid(example: str) -> None:
    result = parse(Bundle((SourceFile("/project/services.yaml", example),), strict=True), installed())

    assert result.problems == ()


def test_every_kind_of_problem_is_in_the_page() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "harness_core" / "config").glob("*.py"))
    sources += (ROOT / "harness_core" / "contracts" / "errors.py").read_text()
    kinds = set(re.findall(r'"(config\.[a-z-]+)"', sources))

    assert kinds == set(re.findall(r"^\| `(config\.[a-z-]+)` \|", PAGE, re.MULTILINE))
