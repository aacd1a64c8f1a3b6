"""All that a plugin may import, by noun; standard library only."""

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
from harness_core.contracts.run import Exit, Found, HandleState, LaunchSpec, Limits, LogSettings, Stats

__all__ = [
    "LOCAL", "Address", "Ambiguous", "AttachedHandle", "Attacher", "Capability", "Change", "ChangeKind", "Clock", "Command",
    "CommandNotFound", "Compacted", "ConfigError", "Conflict", "Context", "Corrupt", "Cursor", "Endpoint", "ExecResult",
    "Exit", "Found", "Full", "HandleState", "HarnessError", "Health", "HealthCheck", "LaunchFailed", "LaunchSpec",
    "Launcher", "Layer", "Limits", "LogSettings", "NotFound", "NotSupported", "Offer", "Output", "OutputQuery", "Place",
    "Port", "PortTaken", "ProcessHandle", "Record", "RegistryBackend", "RegistryChange", "RegistryError", "Session",
    "StateTooNew", "Stats", "StoredEvent", "Stream", "Survivors", "SystemClock", "Target", "TooNew", "Unavailable",
    "Unreachable",
]  # fmt: skip
