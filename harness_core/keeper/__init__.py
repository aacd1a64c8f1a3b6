"""The keeper: the small process that owns every local service, and the client that speaks to it.

The client's names are loaded when they are first asked for: the keeper itself imports this package too
(``harness_core.keeper.server``) and must not pay for asyncio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness_core.keeper.client import Client
    from harness_core.keeper.errors import (
        CallTimeout,
        KeeperError,
        LinkLost,
        NoSuchRun,
        Refused,
        SpawnRefused,
        StartFailed,
        SurvivorsError,
    )
    from harness_core.keeper.local import ensure_local
    from harness_core.keeper.model import (
        Chunk,
        ExecChunk,
        Hello,
        KeeperStats,
        Limits,
        LinkChange,
        LogSettings,
        Note,
        Replaced,
        RunExit,
        RunInfo,
        RunStats,
        Spawn,
        Started,
    )
    from harness_core.keeper.session import ExecSession

__all__ = [
    "CallTimeout",
    "Chunk",
    "Client",
    "ExecChunk",
    "ExecSession",
    "Hello",
    "KeeperError",
    "KeeperStats",
    "Limits",
    "LinkChange",
    "LinkLost",
    "LogSettings",
    "NoSuchRun",
    "Note",
    "Refused",
    "Replaced",
    "RunExit",
    "RunInfo",
    "RunStats",
    "Spawn",
    "SpawnRefused",
    "StartFailed",
    "Started",
    "SurvivorsError",
    "ensure_local",
]

_HOMES = {"Client": "client", "ensure_local": "local", "ExecSession": "session"}
_ERRORS = {name for name in __all__ if name.endswith(("Error", "Refused", "Lost", "Timeout", "Failed", "NoSuchRun"))}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    home = _HOMES.get(name, "errors" if name in _ERRORS else "model")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
