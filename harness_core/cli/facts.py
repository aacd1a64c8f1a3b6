"""Facts: what `harness doctor` looks at, gathered without changing anything; whatever can't be read is None."""

from __future__ import annotations

import contextlib
import os
import resource
import ssl
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness_core import client, paths, private, trust
from harness_core.cli.machine import (
    CgroupFacts,
    cgroup_facts,
    filesystem_of,
    kills_user_processes,
    logind_files,
    number_in,
    reaping,
    text_of,
)
from harness_core.contracts.errors import HarnessError
from harness_core.protocol import DaemonStatus

DAEMON_PATIENCE = 5.0
"""Seconds that a daemon may take to answer."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, as an error says it."""

    kind: str
    message: str
    hint: str | None


@dataclass(frozen=True, slots=True)
class StateFacts:
    """The state directory, or where it would be made: then what is told of the disk is of the nearest folder above."""

    path: str
    exists: bool
    trouble: Trouble | None
    writable: bool
    free: int | None = None
    inodes: int | None = None
    filesystem: str | None = None
    leftovers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DaemonFacts:
    """The daemon as it answers (`status`), or why it does not; `info` is daemon.json, `alive` whether that process lives."""

    status: Mapping[str, Any] | None
    trouble: Trouble | None
    info: paths.DaemonInfo | None
    alive: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeeperFacts:
    """The keeper's process; what only it knows comes from the daemon."""

    pid: int
    containment: str | None
    notes: tuple[str, ...]
    open_files: int | None
    oom_score_adj: int | None


@dataclass(frozen=True, slots=True)
class PluginFacts:
    """Distributions, kinds with an offer, `(distribution, cause)` of what is broken, and the folders of doubles."""

    names: tuple[str, ...]
    kinds: frozenset[str]
    broken: tuple[tuple[str, str], ...]
    warnings: tuple[tuple[str, str], ...]
    doubled: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Facts:
    """All of them."""

    python: tuple[int, int, int]
    prefix: str
    tls: str
    tls13: bool
    uid: int
    state: StateFacts
    daemon: DaemonFacts
    keeper: KeeperFacts | None
    open_files: tuple[int, int]
    pipe_pages: int | None
    cgroups: CgroupFacts
    inotify_watches: int | None
    inotify_instances: int | None
    plugins: PluginFacts
    init: str | None
    lingers: bool
    kills_at_logout: bool | None
    reaping: float | None
    now: float
    certificate_from: float | None


def gather() -> Facts:
    """The facts of this machine, this user and this environment."""
    state = state_facts()
    directory = Path(state.path) if state.trouble is None else None
    daemon = daemon_facts(directory)
    return Facts(
        python=(sys.version_info.major, sys.version_info.minor, sys.version_info.micro),
        prefix=sys.prefix,
        tls=ssl.OPENSSL_VERSION,
        tls13=ssl.HAS_TLSv1_3,
        uid=os.getuid(),
        state=state,
        daemon=daemon,
        keeper=keeper_facts(directory, daemon),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE),
        pipe_pages=number_in("/proc/sys/fs/pipe-user-pages-soft"),
        cgroups=cgroup_facts(text_of("/proc/self/mountinfo") or "", text_of("/proc/self/cgroup") or ""),
        inotify_watches=number_in("/proc/sys/fs/inotify/max_user_watches"),
        inotify_instances=number_in("/proc/sys/fs/inotify/max_user_instances"),
        plugins=plugin_facts(),
        init=(text_of("/proc/1/comm") or "").strip() or None,
        lingers=os.path.exists(f"/var/lib/systemd/linger/{_user()}"),
        kills_at_logout=kills_user_processes(filter(None, map(text_of, logind_files()))),
        reaping=reaping(),
        now=time.time(),
        certificate_from=_certificate_from(directory),
    )


def state_facts() -> StateFacts:
    """The state directory."""
    try:
        directory = paths.state_dir()
    except HarnessError as e:
        return StateFacts(os.environ.get("HARNESS_STATE_DIR", ""), False, _trouble(e), False)
    except RuntimeError as e:  # nobody knows where this user is at home
        return StateFacts("", False, Trouble("state.bad-path", str(e), "export HARNESS_STATE_DIR=/an/absolute/path"), False)
    exists, trouble = os.path.lexists(directory), None
    if exists:
        try:
            private.check(directory, directory=True)
        except HarnessError as e:
            trouble = _trouble(e)
    nearest = next((folder for folder in (directory, *directory.parents) if os.path.isdir(folder)), Path("/"))
    disk = None
    with contextlib.suppress(OSError):
        disk = os.statvfs(nearest)
    found: list[str] = []
    for name in ("daemon.json", "daemon.lock", "summon.lock", "keeper/keeper.lock", "keeper/keeper.sock"):
        with contextlib.suppress(OSError):
            (directory / name).lstat()
            found.append(name)
    return StateFacts(
        str(directory),
        exists,
        trouble,
        os.access(nearest, os.W_OK | os.X_OK),
        free=disk.f_bavail * disk.f_frsize if disk else None,
        # Some file systems make inodes as they need them, and say 0 of 0.
        inodes=disk.f_favail if disk and disk.f_files else None,
        filesystem=filesystem_of(os.path.realpath(nearest), text_of("/proc/self/mountinfo") or ""),
        leftovers=tuple(found),
    )


def daemon_facts(directory: Path | None) -> DaemonFacts:
    """Whether the daemon runs, and what it says of itself; none is started."""
    if directory is None:
        return DaemonFacts(None, None, None, False)
    warnings: list[str] = []
    info: paths.DaemonInfo | None = None
    try:
        info = paths.read_daemon_file(directory)
        with client.connect(directory, start=False, on_warning=warnings.append) as connected:
            return DaemonFacts(connected.call(DaemonStatus(), timeout=DAEMON_PATIENCE), None, info, True, tuple(warnings))
    except HarnessError as e:
        return DaemonFacts(None, _trouble(e), info, info is not None and paths.alive(info), tuple(warnings))


def keeper_facts(directory: Path | None, daemon: DaemonFacts) -> KeeperFacts | None:
    """The keeper, which may run without a daemon."""
    said: Mapping[str, Any] = (daemon.status or {}).get("keeper") or {}
    pid = said.get("pid") or _keeper_pid(directory)
    if pid is None:
        return None
    limits = next((line for line in (text_of(f"/proc/{pid}/limits") or "").splitlines() if line.startswith("Max open files")), "")
    files = limits.split()[3:4]
    return KeeperFacts(
        pid=pid,
        containment=said.get("containment"),
        notes=tuple(said.get("notes") or ()),
        open_files=int(files[0]) if files and files[0].isdigit() else None,
        oom_score_adj=number_in(f"/proc/{pid}/oom_score_adj"),
    )


def plugin_facts() -> PluginFacts:
    """What is installed, broken and installed twice."""
    from importlib.metadata import distributions

    from harness_core.plugins import discover

    catalog = discover()
    folders: dict[str, dict[str, None]] = {}
    for distribution in distributions():
        if any(point.group == "harness.plugins" for point in distribution.entry_points):
            # Two of one name: only the first on the path counts, which may be the older one.
            folder = os.path.realpath(str(distribution.locate_file("")))
            folders.setdefault(distribution.name, {})[f"{folder} ({distribution.version})"] = None
    return PluginFacts(
        names=tuple(f"{plugin.distribution} {plugin.version}" for plugin in catalog.plugins),
        kinds=frozenset(str(kind) for plugin in catalog.plugins for kind, _ in plugin.offers),
        broken=tuple((f"{row.distribution} {row.version}", row.cause) for row in catalog.broken),
        warnings=tuple((plugin.distribution, warning) for plugin in catalog.plugins for warning in plugin.warnings),
        doubled={name: tuple(found) for name, found in folders.items() if len(found) > 1},
    )


def _keeper_pid(directory: Path | None) -> int | None:
    if directory is None:
        return None
    pid = (text_of(directory / "keeper" / "keeper.lock") or "").strip()
    # A lock that was left over may name a pid that somebody else has by now.
    command = text_of(f"/proc/{pid}/cmdline") or "" if pid.isdigit() else ""
    return int(pid) if str(directory) in command and "keeper" in command else None


def _certificate_from(directory: Path | None) -> float | None:
    if directory is None:
        return None
    begins: list[float] = []
    for path in (trust.server_file(directory), trust.client_file(directory)):
        with contextlib.suppress(OSError, ValueError, HarnessError):
            if found := trust.validity(path):
                begins.append(found[0])
    return max(begins, default=None)


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _trouble(error: HarnessError) -> Trouble:
    return Trouble(error.kind, error.message, error.hint)
