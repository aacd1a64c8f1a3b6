"""HealthCheck: one attempt at finding out whether a service is well."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from harness_core.contracts.command import Command
from harness_core.contracts.place import Endpoint

if TYPE_CHECKING:
    # Only named in a signature; every command of the CLI imports the contracts, and asyncio would cost it 38 ms.
    from asyncio import StreamReader, StreamWriter


@dataclass(frozen=True, slots=True)
class Health:
    """What one probe found. `detail` is for people; `latch` means healthy for the rest of this run, don't probe again."""

    healthy: bool
    detail: str = ""
    latch: bool = False


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command inside the place answered; `code` None when it was ended by a signal."""

    code: int | None
    output: bytes
    signal: str | None = None


class Target(Protocol):
    """What core lends to a probe: the service as seen from the daemon."""

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """How the service is reached now."""

    async def dial(self, host: str, port: int) -> tuple[StreamReader, StreamWriter]:
        """A connection to an address of the service; http and tcp checks must use it. Raises OSError."""

    async def exec(self, command: Command) -> ExecResult:
        """Run a command inside the service's place, with its environment; output capped at 64 KiB."""

    async def fresh_output(self) -> Sequence[bytes]:
        """Whole lines written since the previous probe of this run, capped at 1 MiB."""


class HealthCheck(ABC):
    """One attempt, no loop, no sleep; core bounds it in time and decides what it means."""

    @abstractmethod
    async def probe(self, config: Any, target: Target) -> Health:
        """What this attempt found. An exception counts as unhealthy, with its text as the detail."""

    def describe(self, config: Any) -> str:
        """A few words for people: "http http://127.0.0.1:8080/health"."""
        return str(config)
