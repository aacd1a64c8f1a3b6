"""Driver: how one tool is given services, started, asked and stopped. A tool is added by one file in this folder."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

NATIVE = Path(__file__).parents[1] / "native"
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Service:
    """What should run: a name, a command whose first word is absolute, and the services that must be ready before."""

    name: str
    argv: tuple[str, ...]
    after: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The command in one line; no word of it has a space."""
        return " ".join(self.argv)


class Driver:
    """One start of one tool in a folder of its own.

    `prepare` writes what the tool reads. `start` returns at once, or when the tool's own start command does: when services
    run is told by what they stamp. `env` has the mark by which the tool's processes are found.
    """

    name: ClassVar[str]
    restarts: ClassVar[bool] = True
    """it starts a dead service again"""
    detaches: ClassVar[bool] = False
    """`start` opens a command that ends; the supervisor is another process"""
    dependencies: ClassVar[bool] = False
    """it waits for a service to be ready before it starts the next"""

    def __init__(self, folder: Path, env: Mapping[str, str], peers: Path) -> None:
        self.folder, self.env, self.peers = folder, dict(env), peers
        self.process: subprocess.Popen[bytes] | None = None

    @classmethod
    def available(cls, peers: Path) -> bool:
        """Whether the tool is installed here."""
        raise NotImplementedError

    def version(self) -> str:
        """The tool's name and version."""
        raise NotImplementedError

    def prepare(self, services: Sequence[Service]) -> None:
        """Write the tool's configuration."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the tool and with it all services."""
        raise NotImplementedError

    def before_stop(self) -> None:
        """Whatever an operator would have open already when asking for the stop."""

    def stop(self) -> None:
        """Ask for the end of all services; returns at once."""
        self.signal(signal.SIGTERM)

    def close(self) -> None:
        """End what `stop` may leave; what is still there after that is killed."""

    def outside(self) -> list[Path]:
        """Trees of control groups that were made for it."""
        return []

    def logs(self, name: str) -> list[Path]:
        """The files with a service's output, oldest first."""
        return [self.folder / "log" / f"{name}.log"]

    def root_pid(self) -> int:
        """The process that supervises."""
        assert self.process is not None
        return self.process.pid

    def status_command(self, name: str) -> list[str] | None:
        """The command that asks how a service is; None: there is none."""
        return None

    def help_command(self) -> list[str] | None:
        """The command that prints the tool's help."""
        return None

    def load_command(self, name: str, *, clients: int, seconds: float) -> list[str] | None:
        """The command of a load on the tool's API, see `loads/`; None: it has none."""
        return None

    def exit_code(self, name: str) -> int | None:
        """How a service that ended did so, as far as the tool knows."""
        return None

    # -- for drivers ---------------------------------------------------------------------------------------------------

    def open(self, *argv: str | Path, stdout: Path | None = None) -> None:
        """Start a process of the tool; what it says goes to a file."""
        with open(stdout or self.folder / "tool.out", "ab") as out, open(self.folder / "tool.out", "ab") as err:
            self.process = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                env=self.env, cwd=self.folder, start_new_session=True,
            )  # fmt: skip

    def run(self, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        """A command of the tool from start to end."""
        return subprocess.run(
            [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=self.env, cwd=self.folder, text=True, check=False,
        )  # fmt: skip

    def signal(self, number: int) -> None:
        """A signal to the process that was opened."""
        assert self.process is not None
        self.process.send_signal(number)

    def make(self, *parts: str) -> Path:
        """A folder below the tool's own."""
        path = self.folder.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path


def load(python: str | Path, name: str, *words: object) -> list[str]:
    """The command of a load generator in `loads/`, run by an interpreter that may be the tool's own."""
    return ["env", f"PYTHONPATH={_ROOT}", str(python), "-m", f"benchmarks.loads.{name}", *map(str, words)]
