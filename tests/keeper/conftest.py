"""A keeper of one's own for each test: real processes, real signals, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness_core.keeper import Client, LogSettings, Spawn, ensure_local
from harness_core.keeper.local import connect_local

PATH = os.environ["PATH"]
WITHIN = 20.0


class Home:
    """A state folder, and ways to talk to its keeper."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"

    def play(self, story: Callable[[Client], Awaitable[Any]], **options: Any) -> Any:
        """Run one story against the keeper of this home, bounded in time."""

        async def bounded() -> Any:
            client = await ensure_local(self.state, name="test", **options)
            try:
                return await asyncio.wait_for(story(client), WITHIN)
            finally:
                await client.aclose()

        return asyncio.run(bounded())

    def command(self, *argv: str, run: str = "r1", env: dict[str, str] | None = None, **options: Any) -> Spawn:
        """A spawn of these words."""
        given = {"PATH": PATH, **(env or {})}
        return Spawn(project="p", service=options.pop("service", "api"), run=run, argv=argv, env=given, **options)

    def shell(self, script: str, **options: Any) -> Spawn:
        """A spawn of a shell script."""
        return self.command("sh", "-c", script, **options)

    def python(self, script: str, *words: str, **options: Any) -> Spawn:
        """A spawn of a Python script."""
        return self.command(sys.executable, "-S", "-c", script, *words, **options)

    def far(self, name: str = "far", **options: Any) -> Client:
        """A client that knows no folder: everything goes over the byte stream."""
        return Client(lambda: connect_local(self.state), name=name, **options)

    @property
    def fifos(self) -> Path:
        """The folder of the output FIFOs."""
        digest = hashlib.sha256(os.fsencode(self.state)).hexdigest()[:12]
        return Path(f"/dev/shm/harness-{os.geteuid()}-{digest}")

    @property
    def keeper_pid(self) -> int:
        """The pid of the keeper that runs here."""
        return int((self.state / "keeper.lock").read_text())

    def kill_keeper(self) -> None:
        """End the keeper the hard way, and see it gone."""
        pid = self.keeper_pid
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not alive(pid))

    def clean(self) -> None:
        """Leave nothing of this home running."""

        async def empty(client: Client) -> None:
            for info in await client.list():
                await client.kill(info.run)
            await client.shutdown()

        if (self.state / "keeper.lock").exists():
            self.play(empty)
        eventually(lambda: not self.fifos.exists())
        trouble = self.state / "keeper.log"
        assert not trouble.exists(), trouble.read_text()


def eventually(condition: Callable[[], Any], within: float = WITHIN) -> Any:
    """The first true value of a condition."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


def alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def processes_with(word: str) -> list[int]:
    """The live processes whose command line has a word."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and word.encode() in (entry / "cmdline").read_bytes() and alive(int(entry.name)):
                found.append(int(entry.name))
    return found


async def text(client: Client, run: str, **query: Any) -> bytes:
    """All output of a run in one piece."""
    return b"".join([chunk.data async for chunk in client.output(run, **query)])


async def until(client: Client, run: str, wanted: bytes) -> bytes:
    """The output of a run once it contains something."""
    seen = b""
    async for chunk in client.output(run, follow=True):
        seen += chunk.data
        if wanted in seen:
            return seen
    raise AssertionError(f"{run} ended without {wanted!r}: {seen!r}")


class Tools:
    """The helpers above, for tests that cannot import from here."""

    eventually = staticmethod(eventually)
    alive = staticmethod(alive)
    processes_with = staticmethod(processes_with)
    text = staticmethod(text)
    until = staticmethod(until)
    LogSettings = LogSettings


@pytest.fixture(scope="session")
def tools() -> type[Tools]:
    return Tools


@pytest.fixture
def home() -> Iterator[Home]:
    folder = Path(tempfile.mkdtemp(prefix="keeper-test-"))
    there = Home(folder)
    try:
        yield there
        there.clean()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["cgroup", "process-groups"])
def containment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of holding a tree together; the first is skipped where no cgroup can be made."""
    if request.param == "process-groups":
        monkeypatch.setenv("HARNESS_KEEPER_CGROUPS", "off")
    elif not cgroups_work():
        pytest.skip("no cgroup v2 can be made on this machine")
    return str(request.param)


def cgroups_work() -> bool:
    from harness_core.keeper.server.cgroups import Cgroups

    groups, _ = Cgroups.detect(f"/nowhere/{os.getpid()}")
    if groups is None:
        return False
    os.rmdir(groups.base)
    return True


