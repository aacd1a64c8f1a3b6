"""Projects that several journeys use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def thirty(harness):
    """`examples/thirty`, up: thirty services, twenty-eight of which go on."""
    shutil.copytree(EXAMPLES / "thirty", harness.project, dirs_exist_ok=True)
    harness.ok("up", "-d", timeout=120)
    return harness
