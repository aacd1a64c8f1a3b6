import asyncio
import sqlite3
import threading
from contextlib import aclosing

import pytest

from harness_core.contracts import Compacted, Record, RegistryChange, StoredEvent, Unavailable
from harness_core.testing import FakeContext
from harness_plugin_sqlite.backend import SqliteRegistry


def change(key, value=1):
    return RegistryChange("service", key, value)


def test_without_a_path_it_is_in_the_state_directory(run):
    async def opened():
        async with FakeContext() as context:
            registry = SqliteRegistry(context)
            await registry.open({})
            try:
                assert (context.state_dir / "registry.db").is_file()
            finally:
                await registry.aclose()

    run(opened())


def test_a_watcher_sees_what_another_opening_commits(run, registry_at, file, monkeypatch):
    # By the files' times alone.
    monkeypatch.setattr("harness_plugin_sqlite.backend.POLLS", 1_000_000)

    async def watched():
        async with registry_at(file) as one, registry_at(file) as other:
            start = await one.commit([change("a")])
            async with aclosing(one.watch(start)) as watch:
                coming = asyncio.ensure_future(anext(watch))
                revision = await other.commit([change("b", 2)])
                assert await coming == Record("service", "b", revision, 2)

    run(watched())


def test_a_watcher_looks_even_when_the_files_seem_unchanged(run, registry_at, file, monkeypatch):
    monkeypatch.setattr("harness_plugin_sqlite.backend.POLL", 0.01)
    monkeypatch.setattr("harness_plugin_sqlite.backend.fingerprint", lambda path: "always the same")

    async def watched():
        async with registry_at(file) as one, registry_at(file) as other, aclosing(one.watch(0)) as watch:
            coming = asyncio.ensure_future(anext(watch))
            await other.commit([change("b")])
            assert (await coming).key == "b"

    run(watched())


def test_a_watch_longer_than_a_page_is_complete(run, registry_at, file):
    async def watched():
        async with registry_at(file) as registry:
            for n in range(12):
                await registry.commit([change(f"{n}-{key}") for key in range(100)])
            async with aclosing(registry.watch(0)) as watch:
                seen = [(await anext(watch)).key for _ in range(1200)]
        assert seen == [f"{n}-{key}" for n in range(12) for key in range(100)]

    run(watched())


def test_a_watch_ends_when_the_registry_closes(run, registry_at, file):
    async def watched():
        async with registry_at(file) as registry:
            rest = asyncio.ensure_future(_all(registry.watch(0)))
            await registry.commit([change("a")])
            await registry.aclose()
            assert [record.key for record in await rest] in (["a"], [])

    run(watched())


async def _all(watch):
    return [record async for record in watch]


def test_old_changes_are_forgotten_and_asking_for_them_says_so(run, registry_at, file):
    async def watched():
        async with registry_at(file, keep_changes=10) as registry:
            for n in range(64):
                await registry.commit([change("a", n)])
            with pytest.raises(Compacted, match="up to revision 54 are no longer kept"):
                await anext(registry.watch(53))
            async with aclosing(registry.watch(54)) as watch:
                assert (await anext(watch)).value == 54
            assert (await registry.snapshot("service"))[0][0].value == 63

    run(watched())


def test_a_revision_of_another_store_is_compacted(run, registry_at, file):
    async def watched():
        async with registry_at(file) as registry:
            with pytest.raises(Compacted, match="not of this store"):
                await anext(registry.watch(7))

    run(watched())


def test_an_empty_commit_writes_nothing(run, registry_at, file):
    async def committed():
        async with registry_at(file) as registry:
            revision = await registry.commit([change("a")])
            assert await registry.commit([]) == revision

    run(committed())


def test_appends_at_once_share_a_transaction_and_lose_nothing(run, registry_at, file):
    async def appended():
        async with registry_at(file) as registry:
            transactions = []
            await registry._work(registry._store.connection.set_trace_callback, transactions.append)
            await asyncio.gather(*(registry.append([StoredEvent(seq, {"n": seq})]) for seq in range(1, 201)))
            assert [event.seq async for event in registry.events(0)] == list(range(1, 201))
        assert transactions.count("COMMIT") < 20

    run(appended())


def test_a_cancelled_append_takes_nobody_with_it(run, registry_at, file):
    async def appended():
        async with registry_at(file) as registry:
            held = threading.Event()
            busy = asyncio.ensure_future(registry._work(held.wait, 10))
            first, second = (asyncio.ensure_future(registry.append([StoredEvent(seq, {})])) for seq in (1, 2))
            await asyncio.sleep(0)
            first.cancel()
            held.set()
            await asyncio.gather(busy, second)
            assert first.cancelled()
            assert [event.seq async for event in registry.events(0)] == [1, 2]

    run(appended())


def test_an_event_appended_again_stays_as_it_was(run, registry_at, file):
    async def appended():
        async with registry_at(file) as registry:
            await registry.append([StoredEvent(1, {"first": True})])
            await registry.append([StoredEvent(1, {"first": False}), StoredEvent(2, {})])
            assert [event async for event in registry.events(0)] == [StoredEvent(1, {"first": True}), StoredEvent(2, {})]

    run(appended())


def test_pruning_more_than_a_step_leaves_exactly_the_newest(run, registry_at, file):
    async def pruned():
        async with registry_at(file) as registry:
            await registry.append([StoredEvent(seq, {}) for seq in range(1, 12_001)])
            await registry.prune_events(5)
            assert [event.seq async for event in registry.events(0)] == list(range(11_996, 12_001))
            await registry.prune_events(0)
            assert [event async for event in registry.events(0)] == []

    run(pruned())


def test_the_loop_is_free_while_another_process_holds_the_lock(run, registry_at, file):
    async def committed():
        async with registry_at(file) as registry:
            other = sqlite3.connect(file, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.ensure_future(registry.commit([change("a")]))
            turns = 0
            async with asyncio.timeout(5):
                while turns < 20:
                    await asyncio.sleep(0.005)
                    turns += 1
            assert not waiting.done()
            other.execute("ROLLBACK")
            other.close()
            assert await waiting == 1

    run(committed())


def test_a_lock_that_is_never_released_is_unavailable(run, registry_at, file, monkeypatch):
    monkeypatch.setattr("harness_plugin_sqlite.store.BUSY_TIMEOUT", 0.1)

    async def committed():
        async with registry_at(file) as registry:
            other = sqlite3.connect(file, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable, match="locked by another process"):
                await registry.commit([change("a")])
            other.close()
            assert await registry.commit([change("a")]) == 1

    run(committed())


def test_closing_folds_the_log_into_the_file(run, registry_at, file):
    async def written():
        async with registry_at(file) as registry:
            await registry.commit([change("a")])

    run(written())

    assert sorted(path.name for path in file.parent.iterdir()) == ["registry.db"]


@pytest.mark.parametrize("act", ["commit", "snapshot", "append", "events", "watch", "prune"])
def test_what_is_not_open_is_unavailable(run, act):
    async def used():
        async with FakeContext() as context:
            registry = SqliteRegistry(context)
            acts = {
                "commit": lambda: registry.commit([]),
                "snapshot": lambda: registry.snapshot("a"),
                "append": lambda: registry.append([]),
                "events": lambda: anext(registry.events(0)),
                "watch": lambda: anext(registry.watch(0)),
                "prune": lambda: registry.prune_events(1),
            }
            with pytest.raises(Unavailable, match="not open"):
                await acts[act]()
            await registry.aclose()

    run(used())


def test_commits_are_synced_and_events_are_not(run, registry_at, file):
    async def levels():
        async with registry_at(file) as registry:
            connection = registry._store.connection
            level = lambda: connection.execute("PRAGMA synchronous").fetchone()[0]  # noqa: E731
            await registry.commit([change("a")])
            assert await registry._work(level) == 2
            await registry.append([StoredEvent(1, {})])
            assert await registry._work(level) == 1
            await registry.commit([change("a")])
            assert await registry._work(level) == 2

    run(levels())
