"""All that a plugin may import, by noun; standard library only.

Names are looked up when they are first used: whoever needs one error class (the command line does, at each start) does
not pay 35 ms for all the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness_core.contracts.clock import Clock, SystemClock
    from harness_core.contracts.command import Command
    from harness_core.contracts.errors import (
        Ambiguous,
        CommandNotFound,
        Compacted,
        ConfigError,
        Conflict,
        Corrupt,
        Full,
        HarnessError,
        LaunchFailed,
        NotFound,
        NotSupported,
        PortTaken,
        RegistryError,
        StateTooNew,
        Survivors,
        TooNew,
        Unavailable,
        Unreachable,
    )
    from harness_core.contracts.execution import AttachedHandle, Attacher, Launcher, ProcessHandle, Session
    from harness_core.contracts.health import ExecResult, Health, HealthCheck, Target
    from harness_core.contracts.layer import Layer
    from harness_core.contracts.offer import Capability, Change, ChangeKind, Context, Offer
    from harness_core.contracts.output import Cursor, Output, OutputQuery, Stream
    from harness_core.contracts.place import LOCAL, Address, Endpoint, Place, Port
    from harness_core.contracts.registry import Change as RegistryChange
    from harness_core.contracts.registry import Record, RegistryBackend, StoredEvent
    from harness_core.contracts.run import (
        Exit,
        Found,
        HandleState,
        LaunchSpec,
        Limits,
        LogSettings,
        Stats,
        spec_from_json,
        spec_to_json,
    )

_HOMES = {
    "clock": "Clock SystemClock",
    "command": "Command",
    "errors": """
        Ambiguous CommandNotFound Compacted ConfigError Conflict Corrupt Full HarnessError LaunchFailed NotFound NotSupported
        PortTaken RegistryError StateTooNew Survivors TooNew Unavailable Unreachable
    """,
    "execution": "AttachedHandle Attacher Launcher ProcessHandle Session",
    "health": "ExecResult Health HealthCheck Target",
    "layer": "Layer",
    "offer": "Capability Change ChangeKind Context Offer",
    "output": "Cursor Output OutputQuery Stream",
    "place": "LOCAL Address Endpoint Place Port",
    "registry": "Record RegistryBackend StoredEvent",
    "run": "Exit Found HandleState LaunchSpec Limits LogSettings Stats spec_from_json spec_to_json",
}
_HOME_OF = {name: (home, name) for home, names in _HOMES.items() for name in names.split()}
_HOME_OF["RegistryChange"] = ("registry", "Change")


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, real = _HOME_OF[name]
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), real)
    return value


__all__ = [
    "LOCAL", "Address", "Ambiguous", "AttachedHandle", "Attacher", "Capability", "Change", "ChangeKind", "Clock", "Command",
    "CommandNotFound", "Compacted", "ConfigError", "Conflict", "Context", "Corrupt", "Cursor", "Endpoint", "ExecResult",
    "Exit", "Found", "Full", "HandleState", "HarnessError", "Health", "HealthCheck", "LaunchFailed", "LaunchSpec",
    "Launcher", "Layer", "Limits", "LogSettings", "NotFound", "NotSupported", "Offer", "Output", "OutputQuery", "Place",
    "Port", "PortTaken", "ProcessHandle", "Record", "RegistryBackend", "RegistryChange", "RegistryError", "Session",
    "StateTooNew", "Stats", "StoredEvent", "Stream", "Survivors", "SystemClock", "Target", "TooNew", "Unavailable",
    "Unreachable", "spec_from_json", "spec_to_json",
]  # fmt: skip
