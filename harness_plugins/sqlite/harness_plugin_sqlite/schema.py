"""The tables, and the steps by which older files become newer ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from harness_core.contracts import Corrupt, TooNew, Unavailable
from harness_plugin_sqlite import __version__
from harness_plugin_sqlite.files import make_private, timestamp

APPLICATION_ID = 0x68726E73
"""`hrns` in the file's header: that it is ours, and not another program's."""

Migration = Sequence[str]
"""SQL statements that lead from one version to the next."""

MIGRATIONS: tuple[Migration, ...] = (
    (
        "CREATE TABLE store (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, compacted INTEGER NOT NULL,"
        " written_by TEXT NOT NULL)",
        "INSERT INTO store VALUES (1, 0, 0, '')",
        "CREATE TABLE records (kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, value TEXT NOT NULL,"
        " PRIMARY KEY (kind, key)) WITHOUT ROWID",
        "CREATE TABLE changes (revision INTEGER NOT NULL, position INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,"
        " value TEXT, PRIMARY KEY (revision, position)) WITHOUT ROWID",
        "CREATE TABLE events (seq INTEGER PRIMARY KEY, body TEXT NOT NULL)",
    ),
)
"""One entry a version, oldest first; entries are never edited once released, only added. The table `store` and its
column `written_by` stay for ever, so that a program of any age can say which one wrote the file."""


def check_version(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Passes for a file of ours that is not newer than we are; reads only. Raises TooNew, Corrupt, Unavailable."""
    version, newest = _version(connection), len(migrations)
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not (application or version or tables):
        # We never leave an empty file: a new one gets its name when its tables are in it.
        raise Corrupt(f"{path} is empty: it was cut off")
    if application != APPLICATION_ID:
        # Not to be moved aside as damaged: it is somebody's, and `path` is a mistake.
        raise Unavailable(f"{path} is a database of another program", hint="choose another `path` for the registry")
    if version < 1:
        raise Corrupt(f"{path} is damaged: it has our mark, but no version")
    if version > newest:
        (writer,) = connection.execute("SELECT written_by FROM store").fetchone()
        raise TooNew(
            f"{path} was written by {writer} (schema {version}); this is {__version__}, which knows up to schema {newest}",
            hint="upgrade harness-plugin-sqlite to that version, or move the file aside to start empty",
        )


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the file to the newest version; one that holds anything is copied aside first."""
    version = _version(connection)
    if version >= len(migrations):
        return
    if version > 0:
        _back_up(connection, path, version)
    with Transaction(connection):
        # Another process may have done it while we waited for the lock, or gone further than we know.
        version = _version(connection)
        if version >= len(migrations):
            return
        for statements in migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute("UPDATE store SET written_by = ?", (f"harness-plugin-sqlite {__version__}",))
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


class Transaction:
    """Holds the write lock for the block: committed at its end, rolled back when it fails."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, failed: object, *_: object) -> None:
        if not failed:
            try:
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                self._roll_back()
                raise
        else:
            self._roll_back()

    def _roll_back(self) -> None:
        # Sqlite has done it already after a full disk.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _back_up(connection: sqlite3.Connection, path: Path, version: int) -> None:
    backup = path.with_name(f"{path.name}.schema-{version}-{timestamp()}")
    # Made by us before sqlite opens it, so that it is private from its first byte.
    make_private(backup)
    try:
        with closing(sqlite3.connect(backup)) as copy:
            connection.backup(copy)
    except sqlite3.Error:
        backup.unlink()
        raise
