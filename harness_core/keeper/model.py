"""The values that go to a keeper and come back from it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence


@dataclass(frozen=True)
class Limits:
    """Bounds for one run; what a machine cannot apply comes back as a note, never silently ignored."""

    nofile: int | None = None
    memory: int | None = None
    """Bytes."""
    cpu: float | None = None
    """Cores: 0.5 is half of one."""
    pids: int | None = None


@dataclass(frozen=True)
class LogSettings:
    """How the output of one run is kept: ``keep`` segments of ``max_size`` bytes; ``merge`` makes one stream of two."""

    max_size: int = 16 << 20
    keep: int = 4
    merge: bool = False


@dataclass(frozen=True)
class Spawn:
    """One command to start and to own; ``env`` is the whole environment, ``argv[0]`` is looked up on its PATH."""

    project: str
    service: str
    run: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str = "/"
    user: str | None = None
    stdin: bool = False
    prologue: bytes = b""
    """Written to its stdin by the keeper itself, before all else; without ``stdin`` the end follows. Not with ``tty``."""
    tty: bool = False
    limits: Limits = field(default_factory=Limits)
    logs: LogSettings = field(default_factory=LogSettings)
    labels: Mapping[str, str] = field(default_factory=dict)
    spec: Any = None
    """Opaque JSON, kept 0600 beside the run and given back by ``list(specs=True)`` and ``info``."""

    def to_wire(self) -> dict[str, Any]:
        """The JSON object of this request."""
        # Not asdict: it copies the whole environment value by value, which costs more than the rest of a spawn's request.
        return {
            **vars(self),
            "limits": {**vars(self.limits)},
            "logs": {**vars(self.logs)},
            "argv": [*self.argv],
            "env": {**self.env},
            "labels": {**self.labels},
            "prologue": base64.b64encode(self.prologue).decode(),
        }


@dataclass(frozen=True)
class Started:
    """A run that exists: the main process, and what to recognise it by after any crash."""

    run: str
    pid: int
    start_ticks: int
    boot_id: str
    started_at: float
    containment: str
    """``cgroup`` or ``process-groups``: how the whole tree is found when it must be killed."""
    notes: tuple[str, ...] = ()
    crash_safe: bool = True
    """False with a tty or an open stdin: those are held by the keeper and die with it."""


@dataclass(frozen=True)
class RunExit:
    """How a run ended; ``code`` and ``signal`` both None means unknown, never 0."""

    code: int | None = None
    signal: str | None = None
    """``"KILL"``, ``"TERM"``, …"""
    reason: str | None = None
    """``oom``, ``lost`` or None."""
    at: float = 0.0
    """Seconds since the Unix epoch."""


@dataclass(frozen=True)
class RunInfo:
    """Everything the keeper knows of one run."""

    project: str
    service: str
    run: str
    pid: int
    start_ticks: int
    boot_id: str
    started_at: float
    containment: str
    notes: tuple[str, ...] = ()
    crash_safe: bool = True
    adopted: bool = False
    """True when this keeper found it alive instead of starting it."""
    exit: RunExit | None = None
    """None while the main process lives."""
    lost_bytes: int = 0
    """Output dropped because the disk was full."""
    labels: Mapping[str, str] = field(default_factory=dict)
    spec: Any = None


@dataclass(frozen=True)
class Chunk:
    """A piece of output as it was read; asking again with its cursor goes on strictly after it."""

    cursor: str
    at_ns: int
    stream: str
    """``out``, ``err`` or ``mixed``."""
    data: bytes
    lost: int = 0
    """Bytes that are gone (rotated away, or dropped on a full disk) right before ``data``."""


@dataclass(frozen=True)
class ExecChunk:
    """A piece of a transient command's output; ``dropped`` bytes beyond the asked limit came before it."""

    stream: str
    data: bytes
    dropped: int = 0


@dataclass(frozen=True)
class RunStats:
    """What the tree of one run uses now; CPU time is of all its life where a cgroup tells, else of what lives."""

    rss: int
    cpu_seconds: float
    processes: int


@dataclass(frozen=True)
class KeeperStats:
    """What the keeper itself is and uses."""

    pid: int
    version: str
    epoch: str
    rss: int
    fds: int
    cpu_seconds: float
    runs: int
    live: int
    containment: str
    notes: tuple[str, ...] = ()
    """What this machine denied: a negative oom_score_adj, a raised fd limit, a cgroup of its own."""
    code: str = ""
    """A hash of the code that it runs."""


@dataclass(frozen=True)
class Hello:
    """A keeper's greeting."""

    version: str
    pid: int
    epoch: str
    seq: int
    boot_id: str
    state_dir: str
    resumed: bool
    """True when every event since the cursor follows; False when the full list was taken instead."""
    code: str = ""
    """A hash of the code that it runs."""


@dataclass(frozen=True)
class Replaced:
    """What came of a replacement: false where it ran that very code already."""

    replaced: bool
    crashed: bool
    """The new code died while it took over, and another keeper has adopted what runs, as after a kill -9."""
    hello: Hello


@dataclass(frozen=True)
class Note:
    """Something worth telling a person: output dropped on a full disk, a journal that cannot grow."""

    kind: str
    text: str
    run: str | None
    at: float


@dataclass(frozen=True)
class LinkChange:
    """The stream to the keeper was lost or is back; ``cause`` says why it was lost."""

    up: bool
    cause: str = ""


def started_from_wire(wire: Mapping[str, Any]) -> Started:
    """A ``Started`` from its JSON object; unknown keys are ignored."""
    names = ("run", "pid", "start_ticks", "boot_id", "started_at", "containment", "crash_safe")
    return Started(notes=tuple(wire.get("notes", ())), **{name: wire[name] for name in names})


def exit_from_wire(wire: Mapping[str, Any]) -> RunExit:
    """A ``RunExit`` from its JSON object."""
    return RunExit(code=wire["code"], signal=wire["signal"], reason=wire["reason"], at=wire["at"])


def info_from_wire(wire: Mapping[str, Any]) -> RunInfo:
    """A ``RunInfo`` from its JSON object; unknown keys are ignored."""
    names = (
        *("project", "service", "run", "pid", "start_ticks", "boot_id", "started_at"),
        *("containment", "crash_safe", "adopted", "lost_bytes", "labels"),
    )
    return RunInfo(
        notes=tuple(wire.get("notes", ())),
        exit=exit_from_wire(wire["exit"]) if wire.get("exit") else None,
        spec=wire.get("spec"),
        **{name: wire[name] for name in names},
    )
