"""Where the `harness` command begins: before anything slow is imported, so that Ctrl-C never shows a traceback."""

from __future__ import annotations

_INTERRUPTED = 130


def main() -> int:
    """Run the command line; the exit code."""
    try:
        from harness_core.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        return _INTERRUPTED
