"""How a daemon is found: the names that clients may use for it, and `daemon.json`."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from harness_core import __version__, paths, trust
from harness_core.protocol import PROTOCOL_VERSION


def names_for(host: str) -> frozenset[str]:
    """The host names that a daemon which listens on `host` may be called by."""
    wildcard = host in ("0.0.0.0", "::")
    return frozenset({*trust.LOCAL_NAMES, socket.gethostname().lower() if wildcard else host.lower()})


def announce(state_dir: Path, *, address: str, started_at: str, plugins: Iterable[str] = ()) -> None:
    """Write `daemon.json` for this process."""
    pid = os.getpid()
    info = paths.DaemonInfo(
        address=address, fingerprint=trust.fingerprint_of(trust.server_file(state_dir)), pid=pid,
        start_time=paths.start_time(pid) or 0, boot_id=paths.boot_id(), version=__version__, protocol=PROTOCOL_VERSION,
        prefix=sys.prefix, started_at=started_at, plugins=tuple(plugins),
    )  # fmt: skip
    paths.write_daemon_file(state_dir, info)
