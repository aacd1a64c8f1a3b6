"""RegistryContract: what was committed is there, whole and in order, whatever happens to who wrote it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

from harness_core.contracts.errors import Compacted
from harness_core.contracts.registry import Change, RegistryBackend, StoredEvent
from harness_core.plugins.catalog import Kind
from harness_core.testing.kit.case import case, not_proved
from harness_core.testing.kit.committing import CommittingCases
from harness_core.testing.kit.registry_bench import RegistryBench, values, watching


class RegistryContract(CommittingCases):
    """Inherit, set `offer`, and say by `config_in` where a test's store is."""

    kind = Kind.REGISTRY_BACKEND
    made = RegistryBackend

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
