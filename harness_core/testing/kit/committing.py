"""Cases about commits: whole or not at all, in order, and never over somebody else's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from harness_core.contracts.errors import Conflict, RegistryError
from harness_core.contracts.registry import MAX_CHANGES, MAX_COMMIT_BYTES, Change, Record
from harness_core.testing.kit.case import case
from harness_core.testing.kit.registry_bench import RegistryBench, RegistryPlaces, values

HOSTILE_VALUES: Sequence[Any] = [
    0, 1.5, True, False, "", "é 漢字 🙂 \0 \n", [], {}, [1, [2, [3]]], {"a": {"b": None}}, 2**53, "'; DROP TABLE records; --",
]  # fmt: skip


class CommittingCases(RegistryPlaces):
    """What was committed is what is stored."""

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
