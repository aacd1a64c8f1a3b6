"""Installation: one copy of harness on this machine, by what it takes to run it, and whether it could be the daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness_core
from harness_core.contracts.errors import HarnessError

CHECK_TIMEOUT = 30.0


class UpgradeRefused(HarnessError):
    """The daemon stays what it is; the message says what is in the way."""

    kind = "upgrade.refused"


@dataclass(frozen=True, slots=True)
class Installation:
    """An interpreter, the folder that holds its `harness_core`, and the PYTHONPATH that goes with them."""

    python: str
    folder: str
    pythonpath: str | None = None

    def command(self, *arguments: str) -> list[str]:
        """What runs its daemon; to be run in `folder`, so that it is this copy whatever else the interpreter knows."""
        return [self.python, "-m", "harness_core.daemon", *arguments]

    def environ(self, base: Mapping[str, str]) -> dict[str, str]:
        """The environment for it."""
        kept = {name: value for name, value in base.items() if name != "PYTHONPATH"}
        return kept if self.pythonpath is None else {**kept, "PYTHONPATH": self.pythonpath}


def ours() -> Installation:
    """The one that runs this code."""
    return Installation(sys.executable, str(Path(harness_core.__file__).parents[1]), os.environ.get("PYTHONPATH"))


def examine(installation: Installation, state_dir: Path) -> dict[str, Any]:
    """What its daemon says of itself when asked whether it could serve `state_dir`; raises UpgradeRefused with the cause."""
    where = f"harness in {installation.folder}, run by {installation.python},"
    environ = installation.environ(os.environ) | {"HARNESS_STATE_DIR": str(state_dir)}
    try:
        done = subprocess.run(
            installation.command("--check"), env=environ, cwd=installation.folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", timeout=CHECK_TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UpgradeRefused(f"{where} did not say within {CHECK_TIMEOUT:g} s whether it can be the daemon") from None
    except OSError as e:
        hint = "where that environment is gone, --from-here takes the one that the command is from"
        raise UpgradeRefused(f"{where} can't be run: {e.strerror}: {e.filename}", hint=hint) from e
    try:
        # A plugin may print while it is imported: the answer is the last line.
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        error = answer.get("error")
    except (ValueError, IndexError, AttributeError):
        said = done.stderr.strip().splitlines()
        cause = said[-1].strip() if said else f"it ended with {done.returncode} and without a word"
        raise UpgradeRefused(f"{where} can't be the daemon: {cause}", hint="try it yourself: " + _typed(installation)) from None
    if error is not None:
        raise UpgradeRefused(f"{where} can't be the daemon: {error['message']}", hint=error.get("hint"))
    return answer


def _typed(installation: Installation) -> str:
    return f"cd {installation.folder} && {' '.join(installation.command('--check'))}"
