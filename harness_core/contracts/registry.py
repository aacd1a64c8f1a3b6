"""RegistryBackend: where harness remembers what runs where."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_CHANGES = 100
"""At most so many changes in one commit."""
MAX_COMMIT_BYTES = 1024 * 1024
"""At most so many bytes of JSON in one commit."""


@dataclass(frozen=True, slots=True)
class Record:
    """One remembered value; `revision` is that of the commit that wrote it."""

    kind: str
    key: str
    revision: int
    value: Any


@dataclass(frozen=True, slots=True)
class Change:
    """Write `value` under (kind, key); None deletes. `if_revision` 0: must not exist; None: whatever is there."""

    kind: str
    key: str
    value: Any
    if_revision: int | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as JSON; `seq` is given by core and dense within an epoch of the store."""

    seq: int
    body: Mapping[str, Any]


class RegistryBackend(ABC):
    """Durable records with revisions, and a log of events."""

    @abstractmethod
    async def open(self, config: Mapping[str, Any]) -> None:
        """Ready to use; raises TooNew, Corrupt, Unavailable."""

    async def examine(self, config: Mapping[str, Any]) -> None:
        """Raises what `open` would raise for what is stored there; changes nothing, while another daemon has it open.

        Asked of a new release before a daemon becomes it. Default: nothing is known that would be in the way.
        """
        return None

    @abstractmethod
    async def commit(self, changes: Sequence[Change]) -> int:
        """The new revision, once all changes are durable; or none is written: raises Conflict, Full, Unavailable."""

    @abstractmethod
    async def snapshot(self, kind: str) -> tuple[Sequence[Record], int]:
        """All records of a kind, by key, and the store's revision."""

    @abstractmethod
    def watch(self, after: int) -> AsyncIterator[Record]:
        """Each change after a revision, in order, without end; a deletion has value None. May raise Compacted."""

    @abstractmethod
    async def append(self, events: Sequence[StoredEvent]) -> None:
        """Store a batch; may lose its tail at power loss, never its order."""

    @abstractmethod
    def events(self, after: int) -> AsyncIterator[StoredEvent]:
        """Stored events with a greater seq, in order; ends at the last stored one."""

    async def prune_events(self, keep: int) -> None:
        """Forget all but the newest `keep` events; default: keep everything."""
        return None

    async def quarantine(self) -> str | None:
        """Move a corrupt store aside; where it is now. Called after `open` raised Corrupt; `open` then starts empty."""
        return None

    @abstractmethod
    async def aclose(self) -> None:
        """Let go; everything committed stays."""
