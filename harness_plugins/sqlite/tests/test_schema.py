import sqlite3

import pytest

from harness_core.contracts import RegistryChange, RegistryError
from harness_plugin_sqlite import schema
from harness_plugin_sqlite.schema import MIGRATIONS

NEXT = (*MIGRATIONS, ("ALTER TABLE records ADD COLUMN note TEXT", "UPDATE records SET note = 'from 1'"))


@pytest.fixture
def version_1(run, registry_at, file):
    async def fill():
        async with registry_at(file) as registry:
            await registry.commit([RegistryChange("service", "a", 1)])

    run(fill())
    return file


def backups(file):
    return list(file.parent.glob("registry.db.schema-1-*"))


def test_an_older_file_is_copied_aside_and_brought_up_to_date(run, registry_at, version_1):
    async def opened():
        async with registry_at(version_1, migrations=NEXT) as registry:
            query = "SELECT note FROM records"
            return await registry._work(lambda: registry._store.connection.execute(query).fetchall())

    assert run(opened()) == [("from 1",)]
    [backup] = backups(version_1)
    assert backup.stat().st_mode & 0o777 == 0o600
    connection = sqlite3.connect(backup)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT * FROM records").fetchall() == [("service", "a", 1, "1")]
    connection.close()


def test_it_is_done_once(run, registry_at, version_1):
    async def opened():
        async with registry_at(version_1, migrations=NEXT), registry_at(version_1, migrations=NEXT):
            pass

    run(opened())

    assert len(backups(version_1)) == 1


def test_what_another_process_does_meanwhile_is_never_undone(run, registry_at, version_1, monkeypatch):
    further = (*NEXT, ("ALTER TABLE records ADD COLUMN third TEXT",))
    back_up = schema._back_up

    def overtaken(connection, path, version):
        back_up(connection, path, version)
        monkeypatch.setattr(schema, "_back_up", back_up)
        other = sqlite3.connect(path, isolation_level=None)
        schema.migrate(other, path, further)
        other.close()

    monkeypatch.setattr(schema, "_back_up", overtaken)

    async def opened():
        async with registry_at(version_1, migrations=NEXT) as registry:
            return await registry._work(lambda: registry._store.connection.execute("PRAGMA user_version").fetchone())

    assert run(opened()) == (3,)


def test_a_step_that_fails_leaves_the_file_as_it_was(run, registry_at, version_1):
    broken = (*MIGRATIONS, ("ALTER TABLE records ADD COLUMN note TEXT", "CREATE NONSENSE"))

    with pytest.raises(RegistryError, match="syntax error"):
        run(registry_at(version_1, migrations=broken).__aenter__())

    async def opened():
        async with registry_at(version_1) as registry:
            return [record.key for record in (await registry.snapshot("service"))[0]]

    assert run(opened()) == ["a"]


def test_a_new_file_needs_no_backup(run, registry_at, file):
    async def opened():
        async with registry_at(file, migrations=NEXT) as registry:
            return await registry.commit([RegistryChange("service", "a", 1)])

    assert run(opened()) == 1
    assert backups(file) == []


def test_the_first_version_never_changes():
    import hashlib

    # Files in the world were made by these statements: add a version instead of editing one.
    assert hashlib.sha256("\n".join(MIGRATIONS[0]).encode()).hexdigest()[:16] == "d044f67d9eb7ccb4"
