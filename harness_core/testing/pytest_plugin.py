"""A light pytest plugin: the kits' assertions speak, and what a kit did not prove is listed at the end.

It is loaded into every pytest run of an environment that has harness, so it imports nothing of it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

_NOT_PROVED = "not proved: "

pytest.register_assert_rewrite("harness_core.testing.kit")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List, per test class, what was skipped because the plugin does not claim it or the test class can't show it."""
    reasons: Counter[tuple[str, str]] = Counter()
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if reason.startswith(_NOT_PROVED):
            # path::Class::case → Class
            reasons[report.nodeid.split("::")[-2], reason.removeprefix(_NOT_PROVED)] += 1
    if not reasons:
        return
    terminalreporter.section("not proved by the conformance kit")
    for (name, reason), count in sorted(reasons.items()):
        terminalreporter.write_line(f"{name}: {count} case{'s' if count != 1 else ''}: {reason}")
