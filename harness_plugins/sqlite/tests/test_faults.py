import errno
import os
import sqlite3
import stat
import subprocess

import pytest

from harness_core.contracts import Conflict, Corrupt, Full, RegistryChange, StoredEvent, TooNew, Unavailable
from harness_core.testing import FakeContext
from harness_plugin_sqlite.backend import SqliteRegistry
from harness_plugin_sqlite.files import make_if_missing


@pytest.fixture
def filled(run, registry_at, file):
    """A closed store of some hundred pages."""

    async def fill():
        async with registry_at(file) as registry:
            for n in range(20):
                await registry.commit([RegistryChange("service", f"{n}-{key}", "x" * 500) for key in range(20)])
            await registry.append([StoredEvent(seq, {"text": "y" * 300}) for seq in range(1, 500)])

    run(fill())
    return file


def scribble(file):
    with file.open("r+b") as f:
        for page in range(2, 60, 3):
            f.seek(4096 * page)
            f.write(os.urandom(4096))


def halve(file):
    os.truncate(file, file.stat().st_size // 2 // 4096 * 4096)


def cut_in_a_page(file):
    os.truncate(file, file.stat().st_size // 2 + 100)


def empty(file):
    os.truncate(file, 0)


def wipe_header(file):
    with file.open("r+b") as f:
        f.write(b"\0" * 100)


def replace_with_text(file):
    file.write_text("this is not a database, but long enough to look like one\n" * 200)


@pytest.mark.parametrize("damage", [scribble, halve, cut_in_a_page, empty, wipe_header, replace_with_text])
def test_a_damaged_file_is_corrupt_and_moved_aside(run, filled, damage):
    damage(filled)

    async def opened():
        async with FakeContext() as context:
            registry = SqliteRegistry(context)
            with pytest.raises(Corrupt, match=str(filled)):
                await registry.open({"path": str(filled)})
            aside = await registry.quarantine()
            await registry.open({"path": str(filled)})
            try:
                assert (await registry.snapshot("service"))[0] == []
                assert await registry.commit([RegistryChange("service", "a", 1, if_revision=0)]) == 1
            finally:
                await registry.aclose()
            return aside

    aside = run(opened())

    assert aside.startswith(f"{filled}.corrupt-")
    assert os.path.isfile(aside)


def test_damage_that_shows_up_later_is_corrupt_too(run, registry_at, filled):
    async def read():
        async with registry_at(filled) as registry:
            await registry._work(registry._store.connection.execute, "UPDATE records SET value = '{\"cut'")
            with pytest.raises(Corrupt, match="not JSON"):
                await registry.snapshot("service")
            await registry._work(registry._store.connection.execute, "UPDATE records SET value = CAST(x'ff00fe' AS TEXT)")
            with pytest.raises(Corrupt, match="damaged"):
                await registry.snapshot("service")
            await registry._work(registry._store.connection.execute, "DROP TABLE records")
            with pytest.raises(Corrupt, match="damaged: no such table"):
                await registry.snapshot("service")
            aside = await registry.quarantine()
            await registry.open({"path": str(filled)})
            assert (await registry.snapshot("service")) == ([], 0)
            assert [event async for event in registry.events(0)] == []
            return aside

    assert os.path.exists(run(read()))


def test_what_was_moved_aside_keeps_its_log(run, registry_at, file):
    async def moved():
        async with registry_at(file) as registry, registry_at(file) as other:
            await other.commit([RegistryChange("service", "a", 1)])
            return await registry.quarantine()

    aside = run(moved())

    with sqlite3.connect(aside) as connection:
        assert connection.execute("SELECT key FROM records").fetchall() == [("a",)]
    connection.close()


def test_nothing_to_move_aside_is_no_error(run, file):
    async def moved():
        async with FakeContext() as context:
            registry = SqliteRegistry(context)
            assert await registry.quarantine() is None
            await registry.open({"path": str(file)})
            await registry.aclose()
            file.unlink()
            assert await registry.quarantine() is None
            await registry.aclose()

    run(moved())


def test_a_newer_file_is_refused_with_the_version_that_wrote_it_and_left_alone(run, registry_at, filled):
    connection = sqlite3.connect(filled)
    connection.execute("UPDATE store SET written_by = 'harness-plugin-sqlite 7.1.0'")
    connection.execute("PRAGMA user_version = 9")
    connection.commit()
    connection.close()
    before = filled.read_bytes()

    with pytest.raises(
        TooNew, match=r"written by harness-plugin-sqlite 7\.1\.0 \(schema 9\); this is 0\.1\.0, .* schema 1"
    ) as caught:
        run(registry_at(filled).__aenter__())

    assert caught.value.hint
    assert filled.read_bytes() == before


def test_another_program_s_database_is_never_touched(run, registry_at, file):
    file.parent.mkdir()
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = file.read_bytes()

    with pytest.raises(Unavailable, match="database of another program") as caught:
        run(registry_at(file).__aenter__())

    assert "another `path`" in caught.value.hint
    assert file.read_bytes() == before


def test_the_file_and_its_folder_are_private(run, registry_at, file):
    async def modes():
        old = os.umask(0)
        try:
            async with registry_at(file) as registry:
                await registry.commit([RegistryChange("service", "a", 1)])
                return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (file.parent, *file.parent.iterdir())}
        finally:
            os.umask(old)

    assert run(modes()) == {"state": 0o700, "registry.db": 0o600, "registry.db-wal": 0o600, "registry.db-shm": 0o600}


def test_a_file_that_others_may_read_is_made_private(run, registry_at, filled):
    filled.chmod(0o644)

    async def opened():
        async with registry_at(filled):
            return stat.S_IMODE(filled.stat().st_mode)

    assert run(opened()) == 0o600


@pytest.mark.parametrize("kind", ["folder", "beneath a file", "fifo"])
def test_a_path_that_cannot_be_is_unavailable_and_named(run, registry_at, tmp_path, kind):
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_text("")
        path = path / "registry.db"

    with pytest.raises(Unavailable, match=str(path)) as caught:
        run(registry_at(path).__aenter__())

    assert "`path`" in caught.value.hint


@pytest.mark.parametrize("what", ["folder", "file"])
def test_an_unwritable_place_is_unavailable_and_named(run, registry_at, filled, tmp_path, what):
    place = filled if what == "file" else filled.parent / "new" / "registry.db"
    for path, mode in ((tmp_path, 0o755), (filled.parent, 0o555), (filled, 0o444)):
        path.chmod(mode)
    open_folders = [folder for folder in tmp_path.parents if folder.stat().st_uid == os.geteuid()]
    if os.geteuid() == 0:
        # Root may write anywhere: for a moment we are nobody, who must at least get here.
        for folder in open_folders[:3]:
            folder.chmod(0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(Unavailable, match=str(filled.parent)) as caught:
            run(registry_at(place).__aenter__())
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        filled.parent.chmod(0o755)

    assert "writable for user" in caught.value.hint


def test_a_full_store_refuses_to_write_reads_on_and_recovers(run, registry_at, file):
    async def filled_up():
        async with registry_at(file) as registry:
            execute = registry._store.connection.execute
            await registry.commit([RegistryChange("service", "a", 1)])
            await registry.append([StoredEvent(1, {})])
            await registry._work(lambda: execute("PRAGMA max_page_count = 1"))
            with pytest.raises(Full, match="no room left"):
                await registry.commit([RegistryChange("service", "b", "x" * 100_000)])
            with pytest.raises(Full, match="no room left"):
                await registry.append([StoredEvent(2, {"text": "x" * 100_000})])
            assert [(r.key, r.value) for r in (await registry.snapshot("service"))[0]] == [("a", 1)]
            assert [event.seq async for event in registry.events(0)] == [1]
            await registry._work(lambda: execute("PRAGMA max_page_count = 1000000"))
            assert await registry.commit([RegistryChange("service", "b", "x" * 100_000, if_revision=0)]) == 2

    run(filled_up())


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"not allowed to mount a small disk: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def take_all_room(ballast):
    with ballast.open("wb", buffering=0) as f:
        for size in (65536, 512):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                continue


def test_a_full_disk_refuses_to_write_reads_on_and_recovers(run, registry_at, small_disk):
    file, ballast = small_disk / "registry.db", small_disk / "ballast"

    async def filled_up():
        async with registry_at(file) as registry:
            await registry.commit([RegistryChange("service", "a", 1)])
            await registry.append([StoredEvent(1, {})])
            take_all_room(ballast)
            with pytest.raises(Full, match=f"no room left to write {file}"):
                await registry.commit([RegistryChange("service", "b", "x" * 100_000)])
            with pytest.raises(Full):
                await registry.append([StoredEvent(2, {"text": "x" * 100_000})])
            assert [(r.key, r.value) for r in (await registry.snapshot("service"))[0]] == [("a", 1)]
            assert [event.seq async for event in registry.events(0)] == [1]
            ballast.unlink()
            assert await registry.commit([RegistryChange("service", "b", "x" * 100_000, if_revision=0)]) == 2
            take_all_room(ballast)
        # Closed on a full disk: what could not be folded into the file is in the log.
        ballast.unlink()
        async with registry_at(file) as registry:
            assert [r.key for r in (await registry.snapshot("service"))[0]] == ["a", "b"]

    run(filled_up())


def test_a_new_store_on_a_full_disk_is_full_and_leaves_nothing_half_made(run, registry_at, small_disk):
    file, ballast = small_disk / "registry.db", small_disk / "ballast"
    take_all_room(ballast)

    with pytest.raises(Full):
        run(registry_at(file).__aenter__())

    assert not file.exists()
    ballast.unlink()

    async def opened():
        async with registry_at(file) as registry:
            return await registry.commit([RegistryChange("service", "a", 1)])

    assert run(opened()) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_folder_without_room_for_another_file_is_full(file, number):
    def fill(new):
        raise OSError(number, os.strerror(number), str(new))

    with pytest.raises(Full, match=f"no room left to make {file}"):
        make_if_missing(file, fill)


def test_a_file_moved_away_under_us_is_not_written_on_unnoticed(run, registry_at, file, tmp_path):
    async def moved():
        async with registry_at(file) as registry:
            await registry.commit([RegistryChange("service", "a", 1)])
            file.rename(tmp_path / "elsewhere.db")
            with pytest.raises(Unavailable, match="moved or deleted while in use"):
                await registry.commit([RegistryChange("service", "b", 1)])

    run(moved())


def test_a_conflict_leaves_the_store_usable(run, registry_at, file):
    async def used():
        async with registry_at(file) as registry:
            with pytest.raises(Conflict, match="service 'a' is at revision 0, not 5"):
                await registry.commit([RegistryChange("service", "a", 1, if_revision=5)])
            assert await registry.commit([RegistryChange("service", "a", 1)]) == 1

    run(used())
