"""The offers of this distribution; reading them imports nothing heavy."""

from __future__ import annotations

from typing import Any

from harness_core.contracts.execution import Attacher, Launcher
from harness_core.contracts.offer import Capability, Context, Offer
from harness_core.hookspecs import hookimpl


def _process(context: Context) -> Launcher:
    from harness_plugin_process.launcher import ProcessLauncher

    return ProcessLauncher(context)


def _process_attach(context: Context) -> Attacher:
    from harness_plugin_process.attacher import ProcessAttacher

    return ProcessAttacher(context)


PROCESS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "A process on this machine.",
    "properties": {
        "user": {
            "type": ["string", "integer"],
            "description": "Who the process runs as: a name or a number. Default: whoever the daemon runs as. "
            "Another user needs a daemon that is root.",
            "minLength": 1,
            "minimum": 0,
            "examples": ["postgres", 1000],
        },
    },
    "additionalProperties": False,
}

ATTACH_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "A process that already runs on this machine: watched, never started, stopped or restarted. "
    "Of several keys, all must match.",
    "properties": {
        "pid": {
            "type": "integer",
            "description": "Its process id. Once it has ended, a stranger that gets the same number is refused.",
            "minimum": 1,
            "examples": [4711],
        },
        "pidfile": {
            "type": "string",
            "description": "A file whose first word is its process id.",
            "format": "path",
            "minLength": 1,
            "examples": ["/run/nginx.pid"],
        },
        "process_name": {
            "type": "string",
            "description": "Its name as `ps` shows it or the name of its program; `*`, `?` and `[…]` match as in a shell. "
            "Children of a match are part of it.",
            "minLength": 1,
            "examples": ["nginx", "postgres*"],
        },
        "cmdline": {
            "type": "string",
            "description": "Its whole command line, words joined by a space; `*`, `?` and `[…]` match as in a shell.",
            "minLength": 1,
            "examples": ["python3 -m http.server 8000", "*/worker.py --queue=mail*"],
        },
    },
    "anyOf": [{"required": [key]} for key in ("process_name", "pid", "pidfile", "cmdline")],
    "additionalProperties": False,
}

PROCESS = Offer(
    name="process",
    summary="a process on this machine, started and owned",
    create=_process,
    schema=PROCESS_SCHEMA,
    capabilities=frozenset(
        {
            Capability.COMMAND,
            Capability.RECOVER,
            Capability.EXEC,
            Capability.STDIN,
            Capability.TTY,
            Capability.SIGNALS,
            Capability.STATS,
            Capability.LIMITS,
            Capability.OUTPUT,
            Capability.DURABLE_OUTPUT,
            Capability.EXACT_OUTPUT,
        }
    ),
)

PROCESS_ATTACH = Offer(
    name="process-attach",
    summary="a process that already runs on this machine, watched only",
    create=_process_attach,
    schema=ATTACH_SCHEMA,
    capabilities=frozenset({Capability.EXEC, Capability.TTY, Capability.STATS}),
    attaches=True,
)


@hookimpl
def harness_executors() -> list[Offer]:
    """`process` and `process-attach`."""
    return [PROCESS, PROCESS_ATTACH]
