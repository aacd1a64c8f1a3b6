"""Elsewhere: what the daemon's Python environment lacks, and the one that this command is from has."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

_KINDS = frozenset({"config.unknown-type", "config.plugin-missing"})


def remedy(problems: Iterable[Mapping[str, Any]]) -> str | None:
    """What to do where the daemon misses a plugin that is installed here; None where that is not the problem."""
    if not any(problem.get("kind") in _KINDS for problem in problems):
        return None
    from importlib.metadata import entry_points

    from harness_core import paths
    from harness_core.hookspecs import ENTRY_POINT_GROUP

    info = paths.read_daemon_file(paths.state_dir())
    if info is None or info.prefix == sys.prefix or not info.plugins:
        return None
    here = {point.dist.name for point in entry_points(group=ENTRY_POINT_GROUP) if point.dist is not None}
    missing = sorted(here - set(info.plugins))
    if not missing:
        return None
    return f"the daemon runs in {info.prefix}, without {', '.join(missing)} of {sys.prefix}: harness daemon upgrade --from-here"
