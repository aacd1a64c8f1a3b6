"""Where the `harness` command begins and ends: before anything slow is imported, and without tidying up what the system takes.

Ctrl-C during the imports must not show a traceback, and a command that is done in a moment must not spend a quarter of it on
collecting garbage.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import NoReturn

_INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line and end the process."""
    try:
        code = _run()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads it any more; the code says so already
            stream.flush()
    # Taking down every module one by one would take 30 ms; nothing here waits for that: files are closed where they are written.
    os._exit(code)


def _run() -> int:
    # What is imported stays; looking through it again and again meanwhile frees nothing.
    gc.disable()
    from harness_core.cli.main import main as run

    gc.enable()
    return run()
