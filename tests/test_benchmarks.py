"""The benchmarks run: what nobody runs is wrong by the time somebody needs a number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_thousand_measures_a_few_and_leaves_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "thousand.py", "12", "--json", "--idle", "0.5"],
        env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["services"] == 12
    assert figures["up -d, s"] > 0
    assert figures["daemon with all, MiB"] > figures["keeper with all, MiB"] > 1
    assert not list(tmp_path.iterdir())
