"""How commands end: the exit codes, and which kind of error leads to which.

Whatever goes wrong is raised as a HarnessError (or one of click's) and rendered in one place, `main`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from harness_core.contracts.errors import HarnessError


class ExitCode(IntEnum):
    """The table of docs/cli.md; besides, 128+n for signal n."""

    REACHED = 0
    NOT_REACHED = 1
    USAGE = 2
    CONFIG = 3
    UNREACHABLE = 4
    TIMEOUT = 5
    REFUSED = 6
    INTERNAL = 70
    NO_COMMAND = 127


class UsageFault(HarnessError):
    """The command line asks for something that makes no sense."""

    kind = "usage"


class UnknownService(HarnessError):
    """The configuration has no such service; the hint suggests one."""

    kind = "service.unknown"


class NoValue(HarnessError):
    """A variable that was asked for has no value now."""

    kind = "reference.unresolved"


class NoSuchCommand(HarnessError):
    """The command that was to run inside a service is not there."""

    kind = "exec.command-not-found"


class Finish(Exception):
    """Ends the command with this exit code; all there is to say has been said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


_BY_PREFIX: Mapping[str, ExitCode] = {
    "usage": ExitCode.USAGE,
    "service.unknown": ExitCode.USAGE,
    "signal.unknown": ExitCode.USAGE,
    "exec.command-not-found": ExitCode.NO_COMMAND,
    "config.": ExitCode.CONFIG,
    "plugin.missing": ExitCode.CONFIG,
    "daemon.": ExitCode.UNREACHABLE,
    "state.": ExitCode.UNREACHABLE,
    "connection.": ExitCode.UNREACHABLE,
    "daemon.timeout": ExitCode.TIMEOUT,
    "request.timeout": ExitCode.TIMEOUT,
    "auth.": ExitCode.REFUSED,
    "trust.": ExitCode.REFUSED,
    "internal": ExitCode.INTERNAL,
}


def exit_code_of(kind: str) -> ExitCode:
    """The exit code that an error of this kind leads to."""
    found = max((prefix for prefix in _BY_PREFIX if kind.startswith(prefix)), key=len, default=None)
    return _BY_PREFIX[found] if found else ExitCode.NOT_REACHED


def exit_code_of_outcome(outcome: Mapping[str, Any]) -> ExitCode:
    """The exit code of a start, stop, restart or apply."""
    if outcome["reached"]:
        return ExitCode.REACHED
    return ExitCode.TIMEOUT if outcome["timed_out"] else ExitCode.NOT_REACHED


def exit_code_of_service(exit: Mapping[str, Any] | None) -> int:
    """The exit code that a service's own end stands for: its code, 128+n for a signal, 1 when nobody knows."""
    if not exit:
        return ExitCode.NOT_REACHED
    if exit.get("signal"):
        import signal

        number = getattr(signal, f"SIG{exit['signal']}", None)
        return 128 + int(number) if number is not None else ExitCode.NOT_REACHED
    code = exit.get("code")
    return ExitCode.NOT_REACHED if code is None else int(code)
