#!/usr/bin/env python3
"""What the start of a command consists of: the imports of `harness --help` and `harness status`, as trees with times.

    python benchmarks/imports.py [--source FOLDER] [--save FILE --as NAME]

FOLDER is another checkout, to compare with. --save adds the trees to a JSON file under that name, for RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

RUNS = 7
SHOWN_MS = 1.0
COMMANDS = (("--help",), ("status",))
SERVICES = 'version: "1.0"\nname: imports\nservices:\n  a: { type: process, command: [sleep, "1000"] }\n'


@dataclass(slots=True)
class Module:
    """An imported module: milliseconds with all that it imported first, and those modules."""

    name: str
    took: float
    parts: list[Module] = field(default_factory=list)

    def lines(self, indent: str = "") -> list[str]:
        """The tree as text; what took less than a millisecond is counted only."""
        shown = [part for part in self.parts if part.took >= SHOWN_MS]
        hidden = [part for part in self.parts if part.took < SHOWN_MS]
        lines = [f"{self.took:7.1f}  {indent}{self.name}"]
        for part in sorted(shown, key=lambda part: -part.took):
            lines += part.lines(indent + "  ")
        if hidden and shown:
            lines.append(f"{sum(part.took for part in hidden):7.1f}  {indent}  … {len(hidden)} more")
        return lines


def main() -> None:
    """Print the trees, and save them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--source", type=Path, default=Path(__file__).resolve().parents[1], metavar="FOLDER")
    parser.add_argument("--save", type=Path, metavar="FILE")
    parser.add_argument("--as", dest="name", default="after", metavar="NAME")
    options = parser.parse_args()
    trees = measured(options.source.resolve())
    for command, text in trees.items():
        print(f"{command}\n\n{text}\n")
    if options.save:
        known = json.loads(options.save.read_text()) if options.save.exists() else {}
        options.save.write_text(json.dumps({**known, options.name: trees}, indent=1, ensure_ascii=False) + "\n")


def measured(source: Path) -> dict[str, str]:
    """The tree of each command, as text, of the harness in that checkout."""
    with tempfile.TemporaryDirectory(prefix="harness-imports-") as folder:
        (Path(folder) / "services.yaml").write_text(SERVICES)
        harness = [sys.executable, "-m", "harness_core"]
        env = {**os.environ, "PYTHONPATH": str(source), "HARNESS_STATE_DIR": f"{folder}/state"}
        subprocess.run([*harness, "up", "-d"], cwd=folder, env=env, check=True, capture_output=True)
        try:
            return {f"harness {' '.join(command)}": _tree(command, folder, env) for command in COMMANDS}
        finally:
            subprocess.run([*harness, "daemon", "stop", "--services"], cwd=folder, env=env, check=True, capture_output=True)


def _tree(command: tuple[str, ...], folder: str, env: dict[str, str]) -> str:
    """The quickest of some runs: everything else is the machine's noise."""
    argv = [sys.executable, "-X", "importtime", "-m", "harness_core", *command]
    runs = []
    for _ in range(RUNS):
        done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=True)
        runs.append(_parsed(done.stderr))
    best = min(runs, key=lambda roots: sum(root.took for root in roots))
    whole = Module("all imports", sum(root.took for root in best), best)
    return "\n".join(["     ms", *whole.lines()])


def _parsed(text: str) -> list[Module]:
    """Python's lines: a module stands after what it imported, which is indented by two more spaces."""
    waiting: dict[int, list[Module]] = {}
    for line in text.splitlines():
        columns = line.removeprefix("import time:").split("|")
        if not line.startswith("import time:") or not columns[1].strip().isdigit():
            continue
        name = columns[2].rstrip()
        depth = (len(name) - len(name.lstrip()) - 1) // 2
        module = Module(name.strip(), int(columns[1]) / 1000, waiting.pop(depth + 1, []))
        waiting.setdefault(depth, []).append(module)
    return waiting.get(0, [])


if __name__ == "__main__":
    main()
