"""Every kind of error that is told is listed, and every listed one is told."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from harness_core.kinds import KINDS

CORE = Path(__file__).parents[1] / "harness_core"
# Parts that tell errors over the API or while coming in; the keeper has a protocol of its own.
PARTS = ("contracts", "config", "plugins", "engine", "daemon")
_KIND = re.compile(r"[a-z]+(\.[a-z-]+)?")


def sources() -> Iterator[Path]:
    for part in PARTS:
        yield from sorted((CORE / part).rglob("*.py"))
    yield from sorted(CORE.glob("*.py"))


def errors(tree: ast.Module) -> Iterator[str]:
    """`kind = "…"` of exception classes, and kinds that are given to what makes refusals and frames."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not any("Event" in ast.unparse(base) for base in node.bases):
            for statement in node.body:
                if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "kind":
                    yield ast.literal_eval(statement.value)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name == "Refusal" and node.args and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value
            if name in ("malformed", "error_frame", "Refused", "refuse", "_refuse"):
                yield from (
                    keyword.value.value
                    for keyword in node.keywords
                    if keyword.arg == "kind" and isinstance(keyword.value, ast.Constant)
                )


def test_every_kind_that_is_told_is_listed():
    told = {kind: path for path in sources() for kind in errors(ast.parse(path.read_text()))}
    told.pop("error")  # of HarnessError itself, which nobody raises

    missing = {f"{kind} ({path.relative_to(CORE)})" for kind, path in told.items() if kind not in KINDS}

    assert len(told) > 40
    assert not missing, "list them in harness_core/kinds.py with their meaning, then run scripts/make-protocol-docs"


def test_every_kind_that_is_listed_is_told():
    words = {
        node.value
        for path in sources()
        if path.stem != "kinds"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    assert not set(KINDS) - words, "nobody tells these any more"


def test_kinds_are_words_in_order_and_say_what_they_mean():
    assert list(KINDS) == sorted(KINDS)
    assert all(_KIND.fullmatch(kind) for kind in KINDS)
    assert all(meaning and not meaning.endswith(".") for meaning in KINDS.values())
