"""What the tests of layers share."""

from __future__ import annotations

import shutil
import subprocess

import pytest


@pytest.fixture(scope="session")
def sudo():
    """The machine's sudo, usable without a password."""
    if shutil.which("sudo") is None:
        pytest.skip("no sudo on this machine")
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("sudo asks for a password on this machine")
