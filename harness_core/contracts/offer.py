"""Offer: a card on the counter that says what a plugin can do; reading it imports nothing heavy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from logging import LoggerAdapter
from pathlib import Path
from typing import Any, Protocol, TypeVar

from harness_core.contracts.clock import Clock

T = TypeVar("T")


class Capability(StrEnum):
    """What an executor can do; the conformance kit proves each that is declared."""

    COMMAND = "command"
    """core builds the Command and applies the layers; the executor runs it where it is"""
    RECOVER = "recover"
    """runs survive the daemon and are found again"""
    EXEC = "exec"
    """can run commands inside the service's place"""
    STDIN = "stdin"
    TTY = "tty"
    SIGNALS = "signals"
    STATS = "stats"
    LIMITS = "limits"
    OUTPUT = "output"
    """gives the service's output"""
    DURABLE_OUTPUT = "durable-output"
    """stores output itself and reads it back by cursor; otherwise core stores it"""
    EXACT_OUTPUT = "exact-output"
    """output is byte for byte what was written"""


class ChangeKind(StrEnum):
    """Kinds of news that a plugin notices by itself."""

    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    ENDPOINTS = "endpoints"
    PROGRESS = "progress"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Change:
    """News about a run; an unknown kind is shown as a note."""

    kind: str
    detail: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


class Context(Protocol):
    """What core lends to a plugin; all offers of one distribution get the same one."""

    @property
    def log(self) -> LoggerAdapter[Any]:
        """A logger that names the plugin and carries the request id."""

    @property
    def clock(self) -> Clock:
        """Time; tests inject another."""

    @property
    def state_dir(self) -> Path:
        """A private folder of this distribution, made on first use."""

    def report(self, run: str, change: Change) -> None:
        """Tell core what was noticed about a run. From any thread, never blocks; news of old runs is dropped."""

    async def blocking(self, fn: Callable[..., T], *args: Any, timeout: float) -> T:
        """Run `fn` in a bounded thread pool. When cancelled it waits until fn has settled, then re-raises."""

    def background(self, coro: Coroutine[Any, Any, None], name: str) -> None:
        """Own a task until close; its crash marks the plugin broken."""

    async def keeper(self) -> Any:
        """The daemon's one local keeper, connected: a `harness_core.keeper.Client`."""

    async def shared(self, key: str, factory: Callable[[], Awaitable[T]]) -> T:
        """One object per key among all offers of this distribution (an engine client, a connection per host).

        Its `aclose`, where it has one, is awaited at close.
        """


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that a plugin offers: `name` is the word users write.

    `create(context)` is called once per daemon, sync, without I/O; only there may the SDK be imported. `schema` describes
    the offer's own config keys alone, as a JSON Schema of type object (for layers and health checks, of any type);
    `format: path` makes core resolve the value against the config file. `api` is the contract version it was written for.
    `aliases` are older names that users may write too.
    """

    name: str
    summary: str
    create: Callable[[Context], Any]
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})
    capabilities: frozenset[Capability] = frozenset()
    api: tuple[int, int] = (1, 0)
    aliases: tuple[str, ...] = ()
    attaches: bool = False
    """For executors: it creates an `Attacher`, which watches what already runs, instead of a `Launcher`."""
