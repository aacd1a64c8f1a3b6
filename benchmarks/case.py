"""Case: one fresh start of one tool in a temporary folder; nothing of it is left afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks import processes
from benchmarks.drivers import Driver, Service
from benchmarks.drivers.driver import NATIVE
from benchmarks.stamps import Stamp, Stamps


@dataclass(frozen=True, slots=True)
class Bench:
    """Where things are: the peers, a folder for temporary ones, the service under test."""

    peers: Path
    tmp: Path
    service: Path
    pace: float = 1.0
    """what pauses are multiplied by; less than 1 where only the working is looked at"""


@contextlib.contextmanager
def bench(peers: Path, *, pace: float = 1.0) -> Iterator[Bench]:
    """A bench whose folder is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="hb-") as folder:
        tmp = Path(folder)
        service = tmp / "svc"
        subprocess.run(["gcc", "-O2", "-static", "-o", service, NATIVE / "svc.c"], check=True)
        yield Bench(peers, tmp, service, pace)


class Case:
    """A tool with N services, from before its start until nothing of it is left.

    `does` says what a service does by its name: the mode of the program and what it takes; else it stamps and sleeps.
    """

    def __init__(
        self,
        bench: Bench,
        kind: type[Driver],
        names: Sequence[str],
        *,
        does: Callable[[str], Sequence[object]] = lambda name: ("stamp",),
        after: Callable[[str], tuple[str, ...]] = lambda name: (),
    ) -> None:
        self.bench = bench
        self.mark = uuid.uuid4().hex[:16]
        self.folder = Path(tempfile.mkdtemp(prefix=f"{kind.name[:4]}-", dir=bench.tmp))
        self.stamps = Stamps(self.folder / f"stamps.{self.mark}")
        self.driver = kind(self.folder, {**_environment(), processes.MARK: self.mark}, bench.peers)
        self.services = [Service(name, self._argv(name, *does(name)), after(name)) for name in names]
        self.driver.prepare(self.services)

    def _argv(self, name: str, mode: object, *words: object) -> tuple[str, ...]:
        return (str(self.bench.service), str(mode), str(self.stamps.path), name, *map(str, words))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def up(self, *, timeout: float = 120.0, start: Callable[[], object] | None = None) -> float:
        """Start all; milliseconds until the last service ran. `start` replaces the tool's own cold start."""
        known = len(self.stamps)
        began = time.monotonic_ns()
        (start or self.driver.start)()
        self.stamps.wait(known + len(self.services), timeout=timeout, check=self._check)
        return (max(stamp.at for stamp in self.stamps.all(after=known)) - began) / 1e6

    def _check(self) -> None:
        """Raise when the tool has given up."""
        process = self.driver.process
        if process is not None and process.poll():
            said = (self.folder / "tool.out").read_text(errors="replace")
            raise RuntimeError(f"{self.driver.name} ended with {process.returncode}: {said[-2000:].strip()}")

    def down(self, *, timeout: float = 120.0, stop: Callable[[], object] | None = None) -> float:
        """Stop all; milliseconds until the last service was gone."""
        services = self.pids()
        began = time.monotonic_ns()
        (stop or self.driver.stop)()
        gone, left = processes.wait_gone(services, timeout=timeout)
        if left:
            raise TimeoutError(f"{len(left)} of {len(services)} services still ran {timeout:g} s after the stop")
        return (gone - began) / 1e6

    def settle(self, seconds: float) -> None:
        """Let the tool come to rest: its start command has ended, and then some."""
        if self.driver.process is not None and self.driver.detaches:
            self.driver.process.wait(60)
        time.sleep(seconds * self.bench.pace)

    def newest(self) -> dict[str, Stamp]:
        """The newest stamp of each service."""
        return {stamp.name: stamp for stamp in self.stamps.all()}

    def tool(self) -> list[int]:
        """The tool's own processes."""
        return processes.marked(self.mark, service=self.bench.service)[0]

    def pids(self) -> list[int]:
        """The services' processes."""
        return processes.marked(self.mark, service=self.bench.service)[1]

    def close(self) -> None:
        """End everything and remove the folder."""
        self.driver.close()
        for _ in range(50):
            left = [*self.tool(), *self.pids()]
            if not left:
                break
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        if self.driver.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.driver.process.wait(5)
        for path in self.driver.outside():
            with contextlib.suppress(OSError):
                for folder, _, _ in os.walk(path, topdown=False):
                    os.rmdir(folder)
        shutil.rmtree(self.folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    # Bytecode is written and read as on anybody's machine.
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
