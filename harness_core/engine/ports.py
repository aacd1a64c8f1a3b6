"""Who holds a port of this machine, for an error that people can act on."""

from __future__ import annotations

import os
from pathlib import Path

_LISTEN = "0A"


def holder_of(port: int) -> str | None:
    """`pid 4711 (python3 -m http.server)`, as far as this user may see it; None when nobody is found."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _holds(entry / "fd", wanted):
            return _describe(entry)
    return "a process of another user"


def _listening_inodes(port: int) -> set[str]:
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                found.add(columns[9])
    return found


def _holds(folder: Path, wanted: set[str]) -> bool:
    try:
        return any(os.readlink(fd) in wanted for fd in folder.iterdir())
    except OSError:
        # Ended meanwhile, or another user's: not the holder as far as we can see.
        return False


def _describe(entry: Path) -> str:
    try:
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        environment = (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return f"pid {entry.name}"
    marks = dict(item.split(b"=", 1) for item in environment if b"=" in item)
    service = marks.get(b"HARNESS_SERVICE", b"").decode(errors="replace")
    project = marks.get(b"HARNESS_PROJECT", b"").decode(errors="replace")
    ours = f", service {service!r} of project {project!r}" if service else ""
    return f"pid {entry.name} ({command[:120]}){ours}"
