"""The certificates of a first start, made beside it: by a child that takes the large library for it away with it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from harness_core import trust
from harness_core.daemon.address import names_for


def owner() -> str:
    """Whose daemon this is, for people."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def begin(state_dir: Path, host: str) -> int | None:
    """The pid of a child that makes what is missing, for `await_child`; None: nothing is. Only before there are threads."""
    if trust.client_file(state_dir).exists() and trust.server_file(state_dir).exists():
        return None
    pid = os.fork()
    if pid == 0:
        try:
            trust.ensure(state_dir, owner=owner(), names=names_for(host))
        finally:
            # Whatever went wrong goes wrong again where it can be told: the daemon itself looks whether all is there.
            os._exit(0)
    return pid


def await_child(pid: int | None) -> None:
    """Return when the child has ended."""
    if pid is not None:
        os.waitpid(pid, 0)
