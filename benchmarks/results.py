"""Results: the raw figures of one series, in a JSON file that grows as they come."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self


class Results:
    """Figures by measure and tool, one entry a round; and where and with what they were taken."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self.path, self.content = path, content

    @classmethod
    def fresh(cls, path: Path) -> Self:
        """An empty series, for this machine."""
        return cls(path, {"machine": _machine(), "versions": {}, "figures": {}, "trouble": []})

    @classmethod
    def read(cls, path: Path) -> Self:
        """A series that was measured before."""
        return cls(path, json.loads(path.read_text()))

    def version(self, tool: str, version: str) -> None:
        """What a tool calls itself."""
        self.content["versions"][tool] = version

    def add(self, measure: str, tool: str, figures: Mapping[str, Any]) -> None:
        """One round's figures; the file has them at once."""
        self.content["figures"].setdefault(measure, {}).setdefault(tool, []).append(dict(figures))
        self.write()

    def trouble(self, measure: str, tool: str, why: str) -> None:
        """A measure that could not be taken."""
        self.content["trouble"].append({"measure": measure, "tool": tool, "why": why})
        self.write()

    def write(self) -> None:
        """Replace the file."""
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.content, indent=1) + "\n")
        os.replace(new, self.path)

    def values(self, measure: str, tool: str, *keys: str) -> list[float]:
        """All samples of one figure, over all rounds; a list in a round counts as its elements."""
        found: list[float] = []
        for value in self.content["figures"].get(measure, {}).get(tool, []):
            for key in keys:
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                found += value if isinstance(value, list) else [value]
        return found

    def median(self, measure: str, tool: str, *keys: str) -> float | None:
        """The median of those; None: there are none."""
        found = self.values(measure, tool, *keys)
        return statistics.median(found) if found else None

    def quantile(self, measure: str, tool: str, *keys: str, part: float) -> float | None:
        """The smallest sample that `part` of them don't exceed."""
        found = sorted(self.values(measure, tool, *keys))
        return found[min(len(found) - 1, int(len(found) * part))] if found else None


def _machine() -> dict[str, Any]:
    cpu = next((line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    release = next((line.split("=", 1)[1].strip('"') for line in _lines("/etc/os-release") if line.startswith("PRETTY_NAME")), "")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_GiB": round(memory / 1024 / 1024),
        "kernel": platform.release(),
        "system": release,
        "python": sys.version.split()[0],
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
