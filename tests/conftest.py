"""`harness`: the real command, daemon and keeper, each test with a home of its own, for journeys and faults."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest

# A machine that is busy with something else is no reason to fail: how long an example takes is not what these tests are about.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

T = TypeVar("T")
BIN = Path(sys.executable).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-looks", action="store_true", help="record anew how views look: tests/cli/looks")


def eventually(condition: Callable[[], T], *, within: float = 15.0, what: str = "") -> T:
    """The first true answer of `condition`; fails when none came in time."""
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within:g} s: {what or condition}; last answer: {answer!r}")
        time.sleep(0.03)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has reaped yet does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal; after KILL, return once the process is gone."""
    os.kill(pid, number)
    if number == signal.SIGKILL:
        eventually(lambda: not alive(pid), what=f"pid {pid} dies")


@dataclass(frozen=True)
class Result:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output as JSON."""
        return json.loads(self.out)

    @property
    def text(self) -> str:
        """All that it said."""
        return self.out + self.err


class Terminal:
    """A command that runs in a terminal of its own, as under a person's hands."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        self.text = ""
        self._ours, self._theirs = pty.openpty()
        self._before = termios.tcgetattr(self._theirs)
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, b"\x28\x00\x78\x00\x00\x00\x00\x00")  # 40 rows, 120 columns
        self.process = subprocess.Popen(
            argv,
            stdin=self._theirs, stdout=self._theirs, stderr=self._theirs,
            env={**env, "TERM": "xterm-256color"}, cwd=cwd, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(self._theirs, termios.TIOCSCTTY, 0),
        )  # fmt: skip

    def press(self, keys: str) -> None:
        """Type something; `\\x03` is Ctrl-C."""
        os.write(self._ours, keys.encode())

    def resize(self, *, columns: int, rows: int) -> None:
        """As if its window were made smaller or larger."""
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, pattern: str, *, within: float = 30.0) -> None:
        """Read until all that was printed matches `pattern`, control sequences left out."""
        deadline = time.monotonic() + within
        while not re.search(pattern, self.plain):
            if time.monotonic() > deadline:
                pytest.fail(f"{pattern!r} not printed within {within:g} s; printed:\n{self.plain}")
            self._read(0.1)

    def wait(self, *, within: float = 30.0) -> int:
        """Its exit code; reads on meanwhile, so that it never blocks on writing."""
        deadline = time.monotonic() + within
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                pytest.fail(f"still running after {within:g} s; printed:\n{self.plain}")
            self._read(0.1)
        while self._read(0):
            pass
        return self.process.returncode

    @property
    def plain(self) -> str:
        """What was printed, without colours and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\-_]|\r", "", self.text)

    @property
    def is_as_before(self) -> bool:
        """Whether the terminal's settings are what they were, the cursor is shown and the main screen is up."""
        hidden = self.text.rfind("\x1b[?25l") > self.text.rfind("\x1b[?25h")
        other_screen = self.text.rfind("\x1b[?1049h") > self.text.rfind("\x1b[?1049l")
        return termios.tcgetattr(self._theirs) == self._before and not hidden and not other_screen

    def close(self) -> None:
        """End it, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def _read(self, patience: float) -> bool:
        if not select.select([self._ours], [], [], patience)[0]:
            return False
        try:
            piece = os.read(self._ours, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # the other side is closed
                raise
            return False
        self.text += piece.decode(errors="replace")
        return bool(piece)


class Harness:
    """The `harness` command with a home, a state directory and a project folder of its own."""

    def __init__(self, folder: Path, *, command: Sequence[str] = (str(BIN / "harness"),)) -> None:
        self.command = tuple(command)
        self.home = folder / "home"
        self.project = folder / "project"
        self.state_dir = folder / "state"
        for path in (self.home, self.project):
            path.mkdir(parents=True)
        self._terminals: list[Terminal] = []
        self.env = {
            "HOME": str(self.home),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "error",  # for the command, the daemon and the keeper
            "HARNESS_STATE_DIR": str(self.state_dir),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_STATE_HOME": str(self.home / ".state"),
        }
        self._folder = folder

    # -- the command ---------------------------------------------------------------------------------------------------

    def write(self, text: str, name: str = "services.yaml") -> Path:
        """A file of the project; by default its configuration."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *args: str, timeout: float = 60.0, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Result:
        """What `harness ARGS…` says and how it ends, run in the project's folder."""
        done = subprocess.run(
            [*self.command, *args],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False,
            env={**self.env, **(env or {})}, cwd=cwd or self.project,
        )  # fmt: skip
        return Result(done.returncode, done.stdout.decode(errors="surrogateescape"), done.stderr.decode(errors="surrogateescape"))

    def ok(self, *args: str, timeout: float = 60.0, cwd: Path | None = None) -> Result:
        """The same, and it must succeed."""
        result = self.run(*args, timeout=timeout, cwd=cwd)
        assert result.code == 0, f"harness {' '.join(args)} ended with {result.code}:\n{result.text}"
        return result

    def start(self, *args: str, stdout: Any = subprocess.PIPE) -> subprocess.Popen[bytes]:
        """`harness ARGS…` under way."""
        return subprocess.Popen(
            [*self.command, *args],
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, env=self.env, cwd=self.project,
        )  # fmt: skip

    def terminal(self, *args: str) -> Terminal:
        """`harness ARGS…` in a terminal."""
        return self.in_terminal(*self.command, *args)

    def in_terminal(self, *argv: str) -> Terminal:
        """Another program, such as a shell, in a terminal."""
        terminal = Terminal(argv, env=self.env, cwd=self.project)
        self._terminals.append(terminal)
        return terminal

    def status(self) -> dict[str, dict[str, Any]]:
        """Every service of the project by name."""
        return {service["name"]: service for service in self.ok("status", "--json").json["services"]}

    def service(self, name: str) -> dict[str, Any]:
        """One service."""
        return self.status()[name]

    def reaches(self, name: str, state: str, *, within: float = 15.0) -> dict[str, Any]:
        """The service as soon as it is in `state`."""
        last: dict[str, Any] = {}

        def there() -> bool:
            last.update(self.service(name))
            return bool(last["state"] == state)

        eventually(there, within=within, what=f"{name} is {state}")
        return last

    def lines(self, service: str, *args: str) -> list[str]:
        """What a service wrote, by line."""
        return self.ok("logs", service, *args).out.splitlines()

    def events(self, service: str | None = None) -> list[dict[str, Any]]:
        """Past events, of one service or all."""
        said = self.ok("events", *([service] if service else []), "--json").out
        return [json.loads(line) for line in said.splitlines()]

    # -- what runs -----------------------------------------------------------------------------------------------------

    @property
    def daemon_pid(self) -> int:
        """The daemon's pid; there must be one."""
        pid: int = self.ok("daemon", "status", "--json").json["pid"]
        return pid

    @property
    def keeper_pid(self) -> int:
        """The keeper's pid; there must be one."""
        pid: int = self.ok("daemon", "status", "--json").json["keeper"]["pid"]
        return pid

    def processes(self) -> dict[int, str]:
        """All live processes that this test has caused, by pid, with their command lines; not the test's own."""
        mark = str(self._folder).encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                command = (entry / "cmdline").read_bytes()
                signs = (command, (entry / "environ").read_bytes(), os.fsencode(os.readlink(entry / "cwd")))
            except OSError:  # it ended meanwhile, or is another user's
                continue
            if command and any(mark in sign for sign in signs):  # a zombie has no command line
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
        return found

    def strays(self) -> list[str]:
        """The command lines of all of these but harness itself: what runs as, or was left by, a service."""
        return [command for command in self.processes().values() if "harness_core" not in command]

    def close(self) -> None:
        """Stop everything; fails when a process of this test outlives that."""
        for terminal in self._terminals:
            terminal.close()
        said = ""
        if (self.state_dir / "daemon.json").exists():
            said = self.run("daemon", "stop", "--services", timeout=120).text
        survivors = self._survivors(within=3.0)
        for pid in survivors:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        assert not survivors, f"left after `daemon stop --services` (which said {said!r}): {survivors}"

    def _survivors(self, *, within: float) -> dict[int, str]:
        deadline = time.monotonic() + within
        while (found := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.03)
        return found


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., Any]:
    """Wait for a condition, bounded: `eventually(condition, within=15.0, what="")`."""
    return eventually


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    """The real command with everything of its own; stopped at the end, and nothing may be left."""
    if not (BIN / "harness").exists():
        pytest.fail(f"there is no {BIN / 'harness'}: run these tests by scripts/test, which installs it")
    ours = Harness(tmp_path)
    yield ours
    ours.close()


@pytest.fixture(scope="module")
def module_harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """One for all tests of a module: for those that only look."""
    ours = Harness(tmp_path_factory.mktemp("harness"))
    yield ours
    ours.close()


@pytest.fixture(scope="module")
def shared_harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """One for all tests of a file that leave each other alone."""
    ours = Harness(tmp_path_factory.mktemp("shared"))
    yield ours
    ours.close()
