"""MemoryRegistry: a registry backend that forgets everything with its store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness_core.contracts.errors import Compacted, Conflict, RegistryError, Unavailable
from harness_core.contracts.offer import Offer
from harness_core.contracts.registry import MAX_CHANGES, MAX_COMMIT_BYTES, Change, Record, RegistryBackend, StoredEvent


@dataclass(slots=True)
class MemoryStore:
    """What several MemoryRegistry objects may have in common, as several openings of one database would."""

    revision: int = 0
    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    log: list[Record] = field(default_factory=list)
    """every change ever, deletions with value None"""
    compacted: int = 0
    """changes up to this revision are no longer in the log"""
    events: list[StoredEvent] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    fault: RegistryError | None = None
    """when set, every write and every opening raises it: a full disk, a lost server"""

    def compact(self) -> None:
        """Forget how the present state came about."""
        self.compacted = self.revision
        self.log.clear()


def memory_offer(store: MemoryStore | None = None, *, name: str = "memory") -> Offer:
    """A registry backend in memory; pass a store to look at it, or to open it again."""
    kept = store or MemoryStore()
    return Offer(
        name=name,
        summary="forgets everything when the daemon ends, for tests",
        create=lambda context: MemoryRegistry(kept),
    )


class MemoryRegistry(RegistryBackend):
    """Records and events in a MemoryStore."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self._open = False

    async def open(self, config: Mapping[str, Any]) -> None:
        """Ready at once."""
        self._check_fault()
        self._open = True

    async def commit(self, changes: Sequence[Change]) -> int:
        """Write all changes, or none."""
        self._check_open()
        self._check_fault()
        check_size(changes)
        for change in changes:
            self._check_revision(change)
        if not changes:
            return self.store.revision
        self.store.revision += 1
        for change in changes:
            self._write(change)
        self._wake()
        return self.store.revision

    async def snapshot(self, kind: str) -> tuple[Sequence[Record], int]:
        """All records of a kind by key, and the revision."""
        self._check_open()
        records = [record for record in self.store.records.values() if record.kind == kind]
        return sorted(records, key=lambda record: record.key), self.store.revision

    async def watch(self, after: int) -> AsyncIterator[Record]:
        """Each change after a revision, for as long as somebody listens."""
        self._check_open()
        if after < self.store.compacted:
            raise Compacted(f"changes up to revision {self.store.compacted} are no longer kept")
        index = 0
        while self._open:
            while index < len(self.store.log):
                if self.store.log[index].revision > after:
                    yield self.store.log[index]
                index += 1
            await self.store.changed.wait()

    async def append(self, events: Sequence[StoredEvent]) -> None:
        """Keep a batch of events."""
        self._check_open()
        self._check_fault()
        self.store.events.extend(StoredEvent(event.seq, json.loads(json.dumps(event.body))) for event in events)

    async def events(self, after: int) -> AsyncIterator[StoredEvent]:
        """Kept events with a greater seq."""
        self._check_open()
        for event in list(self.store.events):
            if event.seq > after:
                yield event

    async def prune_events(self, keep: int) -> None:
        """Forget all but the newest `keep` events."""
        self._check_open()
        del self.store.events[: max(0, len(self.store.events) - keep)]

    async def aclose(self) -> None:
        """End the watches; the store keeps what it has."""
        self._open = False
        self._wake()

    def _check_open(self) -> None:
        if not self._open:
            raise Unavailable("the registry is not open")

    def _check_fault(self) -> None:
        if self.store.fault is not None:
            raise self.store.fault

    def _check_revision(self, change: Change) -> None:
        if change.if_revision is None:
            return
        record = self.store.records.get((change.kind, change.key))
        present = record.revision if record else 0
        if present != change.if_revision:
            raise Conflict(f"{change.kind} '{change.key}' is at revision {present}, not {change.if_revision}")

    def _write(self, change: Change) -> None:
        # Through JSON, so that nobody keeps a hand on what is stored.
        value = json.loads(json.dumps(change.value))
        record = Record(change.kind, change.key, self.store.revision, value)
        if value is None:
            self.store.records.pop((change.kind, change.key), None)
        else:
            self.store.records[change.kind, change.key] = record
        self.store.log.append(record)

    def _wake(self) -> None:
        self.store.changed.set()
        self.store.changed = asyncio.Event()


def check_size(changes: Sequence[Change]) -> None:
    """Raise ValueError for a commit that is larger than the contract allows."""
    if len(changes) > MAX_CHANGES:
        raise ValueError(f"{len(changes)} changes in one commit; at most {MAX_CHANGES}")
    size = sum(len(json.dumps(change.value)) for change in changes)
    if size > MAX_COMMIT_BYTES:
        raise ValueError(f"{size} bytes in one commit; at most {MAX_COMMIT_BYTES}")
