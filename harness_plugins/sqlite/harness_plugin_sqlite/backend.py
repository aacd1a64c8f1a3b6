"""SqliteRegistry: the registry backend, awaitable; one worker thread of its own does what blocks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from harness_core.contracts import Context, Record, RegistryBackend, RegistryChange, StoredEvent, Unavailable
from harness_core.contracts.registry import MAX_CHANGES, MAX_COMMIT_BYTES
from harness_plugin_sqlite.files import fingerprint, just_written, move_aside
from harness_plugin_sqlite.schema import MIGRATIONS, Migration
from harness_plugin_sqlite.store import PAGE, EncodedChange, Store

FILE_NAME = "registry.db"
KEEP_CHANGES = 1000
"""Revisions whose changes a watcher can still ask for."""
POLL = 1.0
"""Seconds after which a waiting watcher sees that another process committed; our own commits wake it at once."""
POLLS = 10
"""Polls after which it looks into the store in any case: files tell their changes only as finely as their clock ticks."""

T = TypeVar("T")


class SqliteRegistry(RegistryBackend):
    """Records, changes and events in one file. All sqlite calls are made in order from one thread, never from the loop."""

    def __init__(
        self, context: Context, *, keep_changes: int = KEEP_CHANGES, migrations: Sequence[Migration] = MIGRATIONS
    ) -> None:
        self._context = context
        self._keep_changes = keep_changes
        self._migrations = migrations
        self._path: Path | None = None
        self._store: Store | None = None
        self._worker: ThreadPoolExecutor | None = None
        self._changed = asyncio.Event()
        self._batch: _Batch | None = None
        self._batch_lock = threading.Lock()

    async def open(self, config: Mapping[str, Any]) -> None:
        """Ready to use: the file is made, checked and migrated as needed."""
        await self._close_store()
        self._path = path = self._located(config.get("path"))

        def opened() -> None:
            self._store = Store.open(path, keep_changes=self._keep_changes, migrations=self._migrations)

        await self._work(opened)

    async def examine(self, config: Mapping[str, Any]) -> None:
        """Raises TooNew, Corrupt or Unavailable for a file that could not be opened; reads only."""
        await self._work(Store.examine, self._located(config.get("path")), self._migrations)

    async def commit(self, changes: Sequence[RegistryChange]) -> int:
        """The new revision, durable; when cancelled, it may or may not have been written."""
        store = self._opened()
        encoded = _encoded(changes)
        if not encoded:
            return await self._work(store.revision)
        revision = await self._work(store.commit, encoded)
        self._wake()
        return revision

    async def snapshot(self, kind: str) -> tuple[Sequence[Record], int]:
        """All records of a kind, by key, and the store's revision."""
        return await self._work(self._opened().snapshot, kind)

    async def watch(self, after: int) -> AsyncIterator[Record]:
        """Each change after a revision, in order; ends when the registry is closed."""
        store = self._opened()
        # After every position within that revision.
        at = (after, MAX_CHANGES)
        while self._store is store:
            changed, before, doubtful = self._changed, fingerprint(store.path), just_written(store.path)
            page = await self._work(store.changes, at)
            for _, record in page:
                yield record
            if page:
                at = page[-1][0]
            else:
                await _news(changed, store.path, before, polls=1 if doubtful else POLLS)

    async def append(self, events: Sequence[StoredEvent]) -> None:
        """Store a batch; whatever is appended while the thread is busy goes into one transaction."""
        store = self._opened()
        rows = [(event.seq, _json(dict(event.body))) for event in events]
        if not rows:
            return
        with self._batch_lock:
            batch = self._batch
            if batch is None:
                batch = self._batch = _Batch()
            batch.rows.extend(rows)
        if batch.written is None:
            batch.written = asyncio.ensure_future(self._work(self._flush, store))
        # The batch is others' too: one caller's cancellation must not end it.
        await asyncio.shield(batch.written)

    async def events(self, after: int) -> AsyncIterator[StoredEvent]:
        """Stored events with a greater seq, in order; ends at the last stored one."""
        while True:
            page = await self._work(self._opened().events, after)
            for event in page:
                yield event
            if len(page) < PAGE:
                return
            after = page[-1].seq

    async def prune_events(self, keep: int) -> None:
        """Forget all but the newest `keep` events, in steps that let commits in between."""
        while await self._work(self._opened().prune_events, keep):
            pass

    async def quarantine(self) -> str | None:
        """Move the file aside with all that belongs to it; where it is now."""
        await self._close_store()
        if self._path is None:
            return None
        aside = await self._work(move_aside, self._path)
        return str(aside) if aside else None

    async def aclose(self) -> None:
        """Finish what was asked for, fold the log into the file and let go."""
        await self._close_store()
        worker, self._worker = self._worker, None
        if worker:
            worker.shutdown(wait=False)

    def _located(self, written: str | None) -> Path:
        path = Path(written).expanduser() if written else self._context.state_dir / FILE_NAME
        return path.absolute()

    async def _close_store(self) -> None:
        store, self._store = self._store, None
        self._wake()
        if store:
            await asyncio.shield(self._work(store.close))

    async def _work(self, act: Callable[..., T], *args: Any) -> T:
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="harness-sqlite")
        return await asyncio.get_running_loop().run_in_executor(self._worker, act, *args)

    def _opened(self) -> Store:
        if self._store is None:
            raise Unavailable("the registry is not open")
        return self._store

    def _flush(self, store: Store) -> None:
        with self._batch_lock:
            batch, self._batch = self._batch, None
        if batch:
            store.append(batch.rows)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def _news(changed: asyncio.Event, path: Path, before: object, *, polls: int) -> None:
    # A look at the files' times costs a hundredth of a question to the store, and nothing is to be had most of the time.
    for _ in range(polls):
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL):
                await changed.wait()
        if changed.is_set() or fingerprint(path) != before:
            return


class _Batch:
    """Events on their way into one transaction."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str]] = []
        self.written: asyncio.Future[None] | None = None


def _encoded(changes: Sequence[RegistryChange]) -> list[EncodedChange]:
    if len(changes) > MAX_CHANGES:
        raise ValueError(f"{len(changes)} changes in one commit; at most {MAX_CHANGES}")
    # Here and not in the thread: what is stored is the value as it was when it was handed over.
    encoded = [(change, None if change.value is None else _json(change.value)) for change in changes]
    size = sum(len(value) for _, value in encoded if value)
    if size > MAX_COMMIT_BYTES:
        raise ValueError(f"{size} bytes in one commit; at most {MAX_COMMIT_BYTES}")
    return encoded


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
