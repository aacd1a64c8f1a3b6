"""Where harness keeps things, and `daemon.json`: how a running daemon is found.

    state directory   HARNESS_STATE_DIR, or $XDG_STATE_HOME/harness, or ~/.local/state/harness
    daemon.yaml       $XDG_CONFIG_HOME/harness/daemon.yaml, or ~/.config/harness/daemon.yaml

The command line reads this first of all, so it imports little.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from harness_core import private
from harness_core.contracts.errors import HarnessError


class BadPath(HarnessError):
    """A folder that a variable names can't be used; the message says why."""

    kind = "state.bad-path"


@dataclass(frozen=True, slots=True)
class DaemonInfo:
    """How a daemon is reached and who it is. `start_time` and `boot_id` tell its pid from a recycled one."""

    address: str
    """host:port"""
    fingerprint: str
    """SHA-256 of its certificate, in hex"""
    pid: int
    start_time: int
    boot_id: str
    version: str
    protocol: int
    prefix: str
    """the environment it runs in: its `sys.prefix`"""
    started_at: str
    plugins: tuple[str, ...] = ()
    """what it has loaded, by distribution"""


def state_dir() -> Path:
    """The state directory; not made here."""
    if named := os.environ.get("HARNESS_STATE_DIR"):
        return _absolute("HARNESS_STATE_DIR", Path(named).expanduser())
    # The XDG specification says that relative values are invalid and to be ignored.
    home = os.environ.get("XDG_STATE_HOME", "")
    base = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    return base / "harness"


def daemon_config() -> Path:
    """The daemon's own settings; may not exist."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(home) if home.startswith("/") else Path.home() / ".config"
    return base / "harness" / "daemon.yaml"


def ensure_state_dir(directory: Path) -> None:
    """Make the state directory where missing, 0700; raises StateUnwritable or StateInsecure."""
    private.ensure_directory(directory)


def daemon_file(directory: Path) -> Path:
    """The file that says how the daemon of this state directory is reached."""
    return directory / "daemon.json"


def read_daemon_file(directory: Path) -> DaemonInfo | None:
    """What `daemon.json` says; None: there is none, or it is not readable as one (as good as none)."""
    path = daemon_file(directory)
    try:
        text = path.read_text()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    private.check(path)
    try:
        body = json.loads(text)
        plugins = tuple(body.pop("plugins", ()))  # of an older daemon nobody knows
        return DaemonInfo(plugins=plugins, **{name: body[name] for name in DaemonInfo.__dataclass_fields__ if name != "plugins"})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def write_daemon_file(directory: Path, info: DaemonInfo) -> None:
    """Make the daemon findable."""
    private.replace(daemon_file(directory), json.dumps(asdict(info), indent=1).encode())


def remove_daemon_file(directory: Path, pid: int) -> None:
    """Make the daemon `pid` unfindable; another one's file stays."""
    info = read_daemon_file(directory)
    if info is not None and info.pid == pid:
        daemon_file(directory).unlink(missing_ok=True)


def boot_id() -> str:
    """The id of this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None: there is none, or only a zombie that nobody has reaped yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold anything, also spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def alive(info: DaemonInfo) -> bool:
    """Whether the very process that wrote `daemon.json` still exists (it may be stuck)."""
    return info.boot_id == boot_id() and start_time(info.pid) == info.start_time


def _absolute(variable: str, path: Path) -> Path:
    if not path.is_absolute():
        raise BadPath(f"{variable} is {str(path)!r}, which is not an absolute path", hint=f"export {variable}=/an/absolute/path")
    return path
