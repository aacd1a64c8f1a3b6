"""Store: the file itself. Every call blocks; all of them are made from one thread."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from harness_core.contracts import Compacted, Conflict, Corrupt, Record, RegistryChange, StoredEvent, Unavailable
from harness_plugin_sqlite.failures import explained
from harness_plugin_sqlite.files import identity, make_if_missing
from harness_plugin_sqlite.schema import MIGRATIONS, Migration, Transaction, check_version, migrate

BUSY_TIMEOUT = 5.0
"""Seconds that a writer waits for another process."""
PAGE = 500
"""Rows read at a time, so that a long reading never keeps the writers waiting for long."""
COMPACT_EVERY = 64
"""Commits between two compactions."""

EncodedChange = tuple[RegistryChange, str | None]


class Store:
    """An open registry file. Made by `open`; nothing else ever opens the file, its -wal or its -shm by path.

    (Closing any descriptor of a file drops all POSIX locks that the process has on it, sqlite's too.)
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, *, keep_changes: int) -> None:
        self.path = path
        self.connection = connection
        self._keep_changes = keep_changes
        self._synchronous = ""
        self._identity = identity(path)

    @classmethod
    def open(cls, path: Path, *, keep_changes: int, migrations: Sequence[Migration] = MIGRATIONS) -> Store:
        """The store in this file, which is made, checked and migrated as needed."""
        with explained(path):
            make_if_missing(path, lambda new: _fill(new, migrations))
            # Never made here: sqlite would give it the umask's mode.
            connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT, isolation_level=None)
            try:
                _prepare(connection, path, migrations)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection, keep_changes=keep_changes)

    @staticmethod
    def examine(path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        """Passes where `open` would find a file that it can use, or none; reads only."""
        if not path.exists():
            return
        with explained(path), closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT)) as connection:
            check_version(connection, path, migrations)

    def revision(self) -> int:
        """The revision of the last commit, anybody's."""
        with explained(self.path):
            return self._head()[0]

    def commit(self, changes: Sequence[EncodedChange]) -> int:
        """Write all changes as one revision, durable on return; or none of them."""
        with explained(self.path):
            self._check_in_place()
            self._sync("FULL")
            with Transaction(self.connection):
                return self._write(changes)

    def snapshot(self, kind: str) -> tuple[Sequence[Record], int]:
        """The records of a kind, by key, and the revision that they are of."""
        with explained(self.path):
            # One transaction, so that no commit comes between the two.
            self.connection.execute("BEGIN")
            try:
                revision, _ = self._head()
                rows = self.connection.execute(
                    "SELECT kind, key, revision, value FROM records WHERE kind = ? ORDER BY key", (kind,)
                ).fetchall()
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("COMMIT")
        return [self._record(row) for row in rows], revision

    def changes(self, after: tuple[int, int]) -> Sequence[tuple[tuple[int, int], Record]]:
        """Up to a page of changes after a (revision, position), each with its own."""
        with explained(self.path):
            revision, compacted = self._head()
            if after[0] < compacted:
                raise Compacted(f"changes up to revision {compacted} are no longer kept", hint="start again from a snapshot")
            if after[0] > revision:
                # Of a store that was moved aside since: its revisions mean nothing here.
                raise Compacted(f"revision {after[0]} is not of this store", hint="start again from a snapshot")
            rows = self.connection.execute(
                "SELECT kind, key, revision, value, position FROM changes WHERE (revision, position) > (?, ?)"
                " ORDER BY revision, position LIMIT ?",
                (*after, PAGE),
            ).fetchall()
        return [((row[2], row[4]), self._record(row[:4])) for row in rows]

    def append(self, events: Iterable[tuple[int, str]]) -> None:
        """Write a batch of events; one that is stored already stays as it is."""
        with explained(self.path):
            self._check_in_place()
            self._sync("NORMAL")
            with Transaction(self.connection):
                self.connection.executemany("INSERT INTO events (seq, body) VALUES (?, ?) ON CONFLICT DO NOTHING", events)

    def events(self, after: int) -> Sequence[StoredEvent]:
        """Up to a page of events with a greater seq."""
        with explained(self.path):
            rows = self.connection.execute(
                "SELECT seq, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after, PAGE)
            ).fetchall()
        return [StoredEvent(seq, self._parsed(body)) for seq, body in rows]

    def prune_events(self, keep: int) -> bool:
        """Delete up to a few pages of events beyond the newest `keep`; whether there may be more."""
        with explained(self.path):
            self._sync("NORMAL")
            with Transaction(self.connection):
                deleted = self.connection.execute(
                    "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE seq <="
                    " (SELECT seq FROM events ORDER BY seq DESC LIMIT 1 OFFSET ?) ORDER BY seq LIMIT ?)",
                    (keep, 10 * PAGE),
                ).rowcount
        return deleted == 10 * PAGE

    def close(self) -> None:
        """Let go of the file; the last one to do so folds the write-ahead log into it."""
        # Where there is no room or no right for that, all of it is safe in the log and read again at the next opening.
        self.connection.close()

    def _write(self, changes: Sequence[EncodedChange]) -> int:
        for change, _ in changes:
            self._check_revision(change)
        revision = self._head()[0] + 1
        for position, (change, value) in enumerate(changes):
            if value is None:
                self.connection.execute("DELETE FROM records WHERE kind = ? AND key = ?", (change.kind, change.key))
            else:
                row = (change.kind, change.key, revision, value)
                self.connection.execute("INSERT OR REPLACE INTO records (kind, key, revision, value) VALUES (?, ?, ?, ?)", row)
            self.connection.execute(
                "INSERT INTO changes (revision, position, kind, key, value) VALUES (?, ?, ?, ?, ?)",
                (revision, position, change.kind, change.key, value),
            )
        self.connection.execute("UPDATE store SET revision = ?", (revision,))
        if revision % COMPACT_EVERY == 0 and revision > self._keep_changes:
            self._compact(revision - self._keep_changes)
        return revision

    def _check_revision(self, change: RegistryChange) -> None:
        if change.if_revision is None:
            return
        row = self.connection.execute(
            "SELECT revision FROM records WHERE kind = ? AND key = ?", (change.kind, change.key)
        ).fetchone()
        present = row[0] if row else 0
        if present != change.if_revision:
            raise Conflict(f"{change.kind} '{change.key}' is at revision {present}, not {change.if_revision}")

    def _compact(self, upto: int) -> None:
        self.connection.execute("DELETE FROM changes WHERE revision <= ?", (upto,))
        self.connection.execute("UPDATE store SET compacted = ?", (upto,))

    def _head(self) -> tuple[int, int]:
        row = self.connection.execute("SELECT revision, compacted FROM store").fetchone()
        if row is None:
            raise Corrupt(f"{self.path} is damaged: it has lost its revision")
        return row[0], row[1]

    def _check_in_place(self) -> None:
        # In its log mode sqlite goes on for ever with a file that somebody deleted, and nothing of it would last.
        if identity(self.path) != self._identity:
            raise Unavailable(f"{self.path} was moved or deleted while in use", hint="restart the daemon; services run on")

    def _sync(self, level: str) -> None:
        # One connection that switches, instead of two: what the log holds of earlier events is synced by the next commit.
        if level != self._synchronous:
            self.connection.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level

    def _record(self, row: tuple[str, str, int, str | None]) -> Record:
        kind, key, revision, value = row
        return Record(kind, key, revision, None if value is None else self._parsed(value))

    def _parsed(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise Corrupt(f"{self.path} is damaged: a stored value is not JSON") from error


def _fill(path: Path, migrations: Sequence[Migration]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, path, migrations)


def _prepare(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    # Before anything is written: a newer version's file, another program's or a damaged one stays as it is.
    check_version(connection, path, migrations)
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise Corrupt(f"{path} is damaged: {verdict}")
    connection.execute("PRAGMA journal_mode = WAL")
    # After a burst the log shrinks again instead of keeping its largest size.
    connection.execute(f"PRAGMA journal_size_limit = {16 * 1024 * 1024}")
    migrate(connection, path, migrations)
