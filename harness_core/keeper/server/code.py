"""Which code this is: what tells it from other code, and which state it can take over."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

VERSION = "1.0"
STATES = (1,)
"""The versions of the handed-over state that this code reads; it writes the last one."""
PACKAGE = __name__.rpartition(".")[0]


def fingerprint() -> str:
    """A hash of the sources that were loaded. Ask at the start: files may be exchanged under a running keeper."""
    digest = hashlib.sha256()
    for name in sorted(module for module in sys.modules if module == PACKAGE or module.startswith(PACKAGE + ".")):
        module = sys.modules[name]
        # Of the loader, not of the file: the code may be in a zip.
        loader: Any = module.__spec__.loader if module.__spec__ else None
        digest.update(name.encode() + b"\0" + loader.get_data(module.__file__) + b"\0")
    return digest.hexdigest()[:32]


def about() -> dict[str, Any]:
    """What ``--check`` answers: that this code starts here, and what it is."""
    return {"version": VERSION, "python": sys.version.split()[0], "states": STATES, "code": fingerprint()}
