"""The machine as its kernel and its files tell: mounts, cgroups, what happens at logout and to orphans. Nothing is changed."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

REAPING_PATIENCE = 2.5
"""Seconds for which an ended orphan is watched."""
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class CgroupFacts:
    """`kind`: v2, v1, hybrid or none; `controllers` of the own v2 group, and of v1 those whose own group can be written."""

    kind: str
    writable: bool
    controllers: frozenset[str]
    controllers_v1: frozenset[str]


def filesystem_of(path: str, mountinfo: str) -> str | None:
    """The kind of file system that a path is on."""
    best, kind = "", None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = _OCTAL.sub(lambda m: chr(int(m[1], 8)), before.split(" ")[4])  # a space stands there as \\040
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # of two on one point the later one is on top
            best, kind = point, after.split(" ")[0]
    return kind


def cgroup_facts(mountinfo: str, own: str) -> CgroupFacts:
    """Which cgroups there are, and what this process may do with its own."""
    groups = {line.split(":", 2)[1]: line.split(":", 2)[2] for line in own.splitlines() if line.count(":") >= 2}
    v2: Path | None = None
    v1: dict[str, Path] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        point, root = before.split(" ")[4], before.split(" ")[3]
        if kind == "cgroup2":
            v2 = _inside(point, root, groups.get("", "/"))
        elif kind == "cgroup":
            for name, group in groups.items():
                if name and set(name.split(",")) <= set(options.split(",")):
                    v1.update(dict.fromkeys(name.split(","), _inside(point, root, group)))
    usable = frozenset(name for name, path in v1.items() if "=" not in name and os.access(path, os.W_OK))
    controllers = frozenset((text_of(v2 / "cgroup.controllers") or "").split()) if v2 else frozenset()
    kind = {(True, True): "hybrid", (True, False): "v2", (False, True): "v1"}.get((v2 is not None, bool(v1)), "none")
    return CgroupFacts(kind, v2 is not None and os.access(v2, os.W_OK), controllers, usable)


def kills_user_processes(texts: Iterable[str]) -> bool | None:
    """What logind's configuration says of `KillUserProcesses`, later texts over earlier ones; None: nothing."""
    said: bool | None = None
    for text in texts:
        for line in text.splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "KillUserProcesses":
                said = value.strip().lower() in ("yes", "true", "on", "1")
    return said


def logind_files() -> list[Path]:
    """Where logind is configured; what stands later wins."""
    folders = [Path(base, "systemd/logind.conf.d") for base in ("/usr/lib", "/run", "/etc")]
    more = sorted((file for folder in folders for file in folder.glob("*.conf")), key=lambda file: file.name)
    return [Path("/etc/systemd/logind.conf"), *more]


def reaping() -> float | None:
    """Seconds for which an orphan that has ended stays as a zombie; at most REAPING_PATIENCE; None where that can't be seen."""
    try:
        # The output ends when the orphan does.
        said = subprocess.run(["/bin/sh", "-c", "sleep 0.05 & echo $!"], capture_output=True, check=True, timeout=10).stdout
        process = Path("/proc", str(int(said)))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    began = time.monotonic()
    while process.exists() and time.monotonic() - began < REAPING_PATIENCE:
        time.sleep(0.01)
    return time.monotonic() - began


def text_of(path: str | Path) -> str | None:
    """The text of a file; None where it can't be read."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return None


def number_in(path: str | Path) -> int | None:
    """The number in a file; None where there is none."""
    try:
        return int(text_of(path) or "")
    except ValueError:
        return None


def _inside(point: str, root: str, group: str) -> Path:
    """The folder of a group in a hierarchy that is mounted from `root` of it."""
    return Path(point, os.path.relpath(group, root)) if group.startswith(root) else Path(point, group.lstrip("/"))
