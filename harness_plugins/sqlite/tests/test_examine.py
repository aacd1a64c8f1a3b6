"""A file is looked at by another release while this one works in it: nothing changes."""

import sqlite3

import pytest

from harness_core.contracts import Corrupt, RegistryChange, TooNew
from harness_core.testing import FakeContext
from harness_plugin_sqlite.backend import SqliteRegistry
from harness_plugin_sqlite.schema import MIGRATIONS

NEXT = (*MIGRATIONS, ("ALTER TABLE records ADD COLUMN note TEXT",))


async def examined(file, **settings):
    async with FakeContext() as context:
        registry = SqliteRegistry(context, **settings)
        try:
            await registry.examine({"path": str(file)})
        finally:
            await registry.aclose()


def version(file):
    connection = sqlite3.connect(file)
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return found


@pytest.mark.parametrize("migrations", [MIGRATIONS, NEXT], ids=["the same release", "a newer one"])
def test_one_that_can_be_read_passes_untouched_while_somebody_works_in_it(run, registry_at, file, migrations):
    async def story():
        async with registry_at(file) as registry:
            await registry.commit([RegistryChange("service", "a", 1)])
            await examined(file, migrations=migrations)
            assert await registry.commit([RegistryChange("service", "a", 2)]) == 2

    run(story())

    assert version(file) == 1
    assert not list(file.parent.glob("*.schema-*"))


def test_one_of_a_newer_release_is_told(run, registry_at, file):
    async def story():
        async with registry_at(file, migrations=NEXT):
            with pytest.raises(TooNew, match="which knows up to schema 1"):
                await examined(file)

    run(story())


def test_none_is_not_made(run, file):
    run(examined(file))

    assert not file.parent.exists()


def test_a_damaged_one_is_told(run, file):
    file.parent.mkdir()
    file.write_bytes(b"no database at all, but long enough to be taken for a page of one" * 20)

    with pytest.raises(Corrupt):
        run(examined(file))

    assert file.exists()
