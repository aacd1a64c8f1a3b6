"""RegistryContract: what was committed is there, whole and in order, whatever happens to who wrote it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from harness_core.contracts.errors import Compacted, Conflict, RegistryError
from harness_core.contracts.registry import MAX_CHANGES, MAX_COMMIT_BYTES, Change, Record, RegistryBackend, StoredEvent
from harness_core.plugins.catalog import Kind
from harness_core.testing.context import FakeContext
from harness_core.testing.kit.case import case, not_proved
from harness_core.testing.kit.offer import OfferContract

HOSTILE_VALUES: Sequence[Any] = [
    0, 1.5, True, False, "", "é 漢字 🙂 \0 \n", [], {}, [1, [2, [3]]], {"a": {"b": None}}, 2**53, "'; DROP TABLE records; --",
]  # fmt: skip


class RegistryBench:
    """What each case of a registry works with: a place to store in, and backends that open it."""

    def __init__(self, contract: RegistryContract, context: FakeContext, folder: Path) -> None:
        self.context = context
        self.folder = folder
        self.config = contract.config_in(folder)
        self._contract = contract
        self._opened: list[RegistryBackend] = []

    async def open(self) -> RegistryBackend:
        """Another backend, opened on the same store; closed at the end of the case."""
        backend: RegistryBackend = self._contract.offer.create(self.context)
        await backend.open(self.config)
        self._opened.append(backend)
        return backend

    async def aclose(self) -> None:
        """Close every backend."""
        for backend in self._opened:
            await backend.aclose()


class RegistryContract(OfferContract):
    """Inherit, set `offer`, and say by `config_in` where a test's store is."""

    kind = Kind.REGISTRY_BACKEND
    made = RegistryBackend
    durable = True
    """what was committed survives kill -9 of whoever committed it"""

    def config_in(self, folder: Path) -> Mapping[str, Any]:
        """A config whose store is in this folder, and empty at first."""
        raise NotImplementedError("config_in: return a config that stores in the given folder")

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[RegistryBench]:
        """An empty store."""
        with tempfile.TemporaryDirectory(prefix="harness-") as folder:
            async with FakeContext() as context:
                bench = RegistryBench(self, context, Path(folder))
                try:
                    yield bench
                finally:
                    await bench.aclose()

    @case()
    async def test_an_empty_store_is_empty(self, bench: RegistryBench) -> None:
        registry = await bench.open()

        records, revision = await registry.snapshot("service")

        assert list(records) == []
        assert revision >= 0
        assert [event async for event in registry.events(0)] == []

    @case()
    async def test_what_is_committed_is_in_the_snapshot_by_key(self, bench: RegistryBench) -> None:
        registry = await bench.open()

        revision = await registry.commit([Change("service", key, {"is": key}) for key in ("b", "a", "c")])

        records, at = await registry.snapshot("service")
        assert records == [Record("service", key, revision, {"is": key}) for key in ("a", "b", "c")]
        assert at == revision

    @case()
    async def test_kinds_are_kept_apart(self, bench: RegistryBench) -> None:
        registry = await bench.open()

        await registry.commit([Change("service", "a", 1), Change("port", "a", 2)])

        assert await values(registry, "service") == {"a": 1}
        assert await values(registry, "port") == {"a": 2}

    @case()
    async def test_revisions_grow(self, bench: RegistryBench) -> None:
        registry = await bench.open()

        revisions = [await registry.commit([Change("service", "a", n)]) for n in range(5)]

        assert revisions == sorted(set(revisions))

    @case()
    async def test_every_json_value_comes_back_as_it_was(self, bench: RegistryBench) -> None:
        registry = await bench.open()

        await registry.commit([Change("value", str(n), value) for n, value in enumerate(HOSTILE_VALUES)])

        stored = await values(registry, "value")
        assert [json.dumps(stored[str(n)]) for n in range(len(HOSTILE_VALUES))] == [json.dumps(v) for v in HOSTILE_VALUES]

    @case()
    async def test_hostile_keys_are_kept_apart(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        keys = ["a", "A", "a ", "é", "a/b", "a'b", "%", "_", "", "a\nb"]

        await registry.commit([Change("key", key, number) for number, key in enumerate(keys)])

        assert await values(registry, "key") == {key: number for number, key in enumerate(keys)}

    @case()
    async def test_what_is_deleted_is_gone(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        await registry.commit([Change("service", "a", 1), Change("service", "b", 2)])

        await registry.commit([Change("service", "a", None), Change("service", "never-was", None)])

        assert await values(registry, "service") == {"b": 2}

    @case()
    async def test_a_stored_value_does_not_follow_its_writer(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        value = {"list": [1]}
        await registry.commit([Change("service", "a", value)])

        value["list"].append(2)

        assert await values(registry, "service") == {"a": {"list": [1]}}

    @pytest.mark.parametrize("wrong", [1, -1, 10_000])
    @case()
    async def test_a_wrong_revision_is_a_conflict(self, bench: RegistryBench, wrong: int) -> None:
        registry = await bench.open()
        revision = await registry.commit([Change("service", "a", 1)])

        with pytest.raises(Conflict):
            await registry.commit([Change("service", "a", 2, if_revision=revision + wrong)])

        assert await values(registry, "service") == {"a": 1}

    @case()
    async def test_the_right_revision_is_no_conflict(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        revision = await registry.commit([Change("service", "a", 1, if_revision=0)])

        await registry.commit([Change("service", "a", 2, if_revision=revision)])

        assert await values(registry, "service") == {"a": 2}

    @case()
    async def test_what_exists_can_not_be_made_anew(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        await registry.commit([Change("service", "a", 1)])

        with pytest.raises(Conflict):
            await registry.commit([Change("service", "a", 2, if_revision=0)])

    @case()
    async def test_what_was_deleted_can_be_made_anew(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        revision = await registry.commit([Change("service", "a", 1)])
        await registry.commit([Change("service", "a", None, if_revision=revision)])

        await registry.commit([Change("service", "a", 2, if_revision=0)])

        assert await values(registry, "service") == {"a": 2}

    @case()
    async def test_a_batch_is_written_whole_or_not_at_all(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        before = await registry.commit([Change("service", "z", 1)])

        with pytest.raises(Conflict):
            await registry.commit([Change("service", "a", 1), Change("service", "z", 2, if_revision=0), Change("port", "b", 1)])

        assert await values(registry, "service") == {"z": 1}
        assert await registry.snapshot("port") == ([], before)

    @case()
    async def test_a_batch_has_one_revision(self, bench: RegistryBench) -> None:
        registry = await bench.open()

        revision = await registry.commit([Change("service", str(n), n) for n in range(MAX_CHANGES)])

        records, _ = await registry.snapshot("service")
        assert {record.revision for record in records} == {revision}

    @pytest.mark.parametrize("too_much", ["changes", "bytes"])
    @case()
    async def test_a_batch_that_is_too_large_is_refused_whole(self, bench: RegistryBench, too_much: str) -> None:
        registry = await bench.open()
        batches = {
            "changes": [Change("service", str(n), n) for n in range(MAX_CHANGES + 1)],
            "bytes": [Change("service", "small", 1), Change("service", "large", "x" * (MAX_COMMIT_BYTES + 1))],
        }

        with pytest.raises((ValueError, RegistryError)):
            await registry.commit(batches[too_much])

        assert await values(registry, "service") == {}

    @case()
    async def test_the_largest_allowed_batch_is_taken(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        size = MAX_COMMIT_BYTES // MAX_CHANGES - 200

        await registry.commit([Change("service", f"{n:03}", "x" * size) for n in range(MAX_CHANGES)])

        assert len(await values(registry, "service")) == MAX_CHANGES

    @case()
    async def test_two_writers_see_each_other(self, bench: RegistryBench) -> None:
        one, other = await bench.open(), await bench.open()

        first = await one.commit([Change("service", "a", "one")])
        second = await other.commit([Change("service", "b", "other")])

        assert second > first
        assert await values(one, "service") == await values(other, "service") == {"a": "one", "b": "other"}

    @case()
    async def test_of_two_writers_with_one_expectation_one_wins(self, bench: RegistryBench) -> None:
        writers = [await bench.open(), await bench.open()]

        outcomes = await asyncio.gather(
            *(writer.commit([Change("service", "a", n, if_revision=0)]) for n, writer in enumerate(writers)),
            return_exceptions=True,
        )

        assert sorted(isinstance(outcome, Conflict) for outcome in outcomes) == [False, True]

    @case()
    async def test_many_commits_at_once_lose_nothing(self, bench: RegistryBench) -> None:
        registry = await bench.open()

        revisions = await asyncio.gather(*(registry.commit([Change("service", f"{n:02}", n)]) for n in range(50)))

        assert len(set(revisions)) == 50
        assert await values(registry, "service") == {f"{n:02}": n for n in range(50)}

    @case()
    async def test_a_watch_gives_every_change_in_order(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        start = await registry.commit([Change("service", "before", 0)])

        async with aclosing(watching(registry, start)) as watch:
            expected = []
            for n in range(5):
                revision = await registry.commit([Change("service", "a", n), Change("port", "b", n)])
                expected += [("a", n, revision), ("b", n, revision)]
            seen = [await anext(watch) for _ in expected]

        assert [(record.key, record.value, record.revision) for record in seen] == expected

    @case()
    async def test_a_watch_tells_of_deletions(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        start = await registry.commit([Change("service", "a", 1)])

        async with aclosing(watching(registry, start)) as watch:
            await registry.commit([Change("service", "a", None)])
            seen = await anext(watch)

        assert (seen.kind, seen.key, seen.value) == ("service", "a", None)

    @case()
    async def test_a_watch_waits_for_what_comes(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        start = await registry.commit([Change("service", "a", 1)])

        async with aclosing(watching(registry, start)) as watch:
            coming = asyncio.ensure_future(anext(watch))
            await asyncio.sleep(0)
            await registry.commit([Change("service", "b", 2)])

            assert (await coming).key == "b"

    @case()
    async def test_a_watch_from_the_beginning_is_complete_or_compacted(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        for n in range(3):
            await registry.commit([Change("service", "a", n)])

        try:
            async with aclosing(watching(registry, 0)) as watch:
                seen = [(await anext(watch)).value for _ in range(3)]
        except Compacted:
            return

        assert seen == [0, 1, 2]

    @case()
    async def test_events_come_back_in_order(self, bench: RegistryBench) -> None:
        registry = await bench.open()

        for first in range(1, 100, 10):
            await registry.append([StoredEvent(seq, {"n": seq}) for seq in range(first, first + 10)])

        assert [event async for event in registry.events(0)] == [StoredEvent(seq, {"n": seq}) for seq in range(1, 101)]
        assert [event.seq async for event in registry.events(97)] == [98, 99, 100]

    @case()
    async def test_pruning_forgets_the_oldest_events_or_none(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        await registry.append([StoredEvent(seq, {}) for seq in range(1, 101)])

        await registry.prune_events(10)

        left = [event.seq async for event in registry.events(0)]
        assert left == list(range(101 - len(left), 101))
        assert len(left) >= 10

    @case()
    async def test_what_was_closed_can_be_opened_again(self, bench: RegistryBench) -> None:
        registry = await bench.open()
        revision = await registry.commit([Change("service", "a", 1)])
        await registry.append([StoredEvent(1, {"n": 1})])
        await registry.aclose()

        again = await bench.open()

        assert await values(again, "service") == {"a": 1}
        assert [event.seq async for event in again.events(0)] == [1]
        assert await again.commit([Change("service", "a", 2)]) > revision

    @case()
    async def test_closing_twice_is_no_error(self, bench: RegistryBench) -> None:
        registry = await bench.open()

        await registry.aclose()
        await registry.aclose()

    @case()
    async def test_what_was_acknowledged_survives_kill_9(self, bench: RegistryBench) -> None:
        if not self.durable:
            not_proved(f"'{self.offer.name}' says that it is not durable")
        program = Path(__file__).with_name("registry_victim.py")
        create = self.offer.create
        if "<" in create.__qualname__:
            not_proved(f"`create` of '{self.offer.name}' is no function of a module, so that no other process can call it")
        victim = await asyncio.create_subprocess_exec(
            sys.executable, str(program), create.__module__, create.__qualname__, json.dumps(bench.config), json.dumps(sys.path),
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert victim.stdout is not None
        acknowledged = [int(await victim.stdout.readline()) for _ in range(20)]

        os.kill(victim.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in (await victim.stdout.read()).splitlines(keepends=True) if line.endswith(b"\n")]
        await victim.wait()

        registry = await bench.open()
        stored = await values(registry, "service")
        # Each commit writes `first` and `second`: an unacknowledged one may be there, but never by half.
        assert stored["first"] == stored["second"] >= acknowledged[-1]
        written = [event.seq async for event in registry.events(0)]
        assert written == list(range(1, len(written) + 1))


async def values(registry: RegistryBackend, kind: str) -> dict[str, Any]:
    """The present values of a kind by key."""
    records, _ = await registry.snapshot(kind)
    return {record.key: record.value for record in records}


async def watching(registry: RegistryBackend, after: int) -> AsyncGenerator[Record, None]:
    """A watch that can be closed, whatever kind of iterator the backend gives."""
    async for record in registry.watch(after):
        yield record
