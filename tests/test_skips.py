"""In CI a skip fails the session unless `tests/allowed-skips.txt` names its reason."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

TEST = """\
import pytest

@pytest.mark.skip(reason="no moon in sight")
def test_tides():
    assert False

def test_gravity():
    assert True
"""


@pytest.mark.parametrize(
    ("ci", "allowed", "code"),
    [("true", "# nothing\n", 1), ("true", "no moon*  # it is day\n", 0), ("", "", 0)],
    ids=["unexpected-in-ci", "allowed-in-ci", "at-home"],
)
def test_a_skip_in_ci_needs_a_reason_that_is_allowed(tmp_path, ci, allowed, code):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "allowed-skips.txt").write_text(allowed)
    (tmp_path / "test_sky.py").write_text(TEST)
    shutil.copy(ROOT / "conftest.py", tmp_path)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_sky.py"],
        cwd=tmp_path, env={**os.environ, "CI": ci}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == code, done.stdout
    assert ("no moon in sight" in done.stdout) == bool(code)


def test_every_allowed_reason_says_why():
    silent = []
    explained = False
    for line in (ROOT / "tests" / "allowed-skips.txt").read_text().splitlines():
        if line.startswith("#"):
            explained = True
        elif not line.strip():
            explained = False
        elif not explained and "#" not in line:
            silent.append(line)

    assert not silent
