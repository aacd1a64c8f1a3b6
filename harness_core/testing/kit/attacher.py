"""AttacherContract: all that an attacher promises about what already runs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from harness_core.contracts.command import Command
from harness_core.contracts.errors import Ambiguous, NotFound, NotSupported
from harness_core.contracts.execution import AttachedHandle, Attacher, ProcessHandle
from harness_core.contracts.offer import Capability
from harness_core.contracts.output import OutputQuery
from harness_core.contracts.place import Place
from harness_core.contracts.run import LaunchSpec
from harness_core.plugins.catalog import Kind
from harness_core.testing.context import FakeContext
from harness_core.testing.kit.bench import output_of
from harness_core.testing.kit.case import case, not_proved
from harness_core.testing.kit.offer import OfferContract


class AttacherBench:
    """What each case of an attacher works with."""

    def __init__(self, attacher: Attacher, context: FakeContext) -> None:
        self.attacher = attacher
        self.context = context


class AttacherContract(OfferContract):
    """Inherit, set `offer` and `config`, and say how a thing that is attached to is started and ended by somebody else."""

    kind = Kind.EXECUTOR
    made = Attacher

    async def start_target(self, context: FakeContext) -> Mapping[str, Any]:
        """Start something as a stranger would; the config that finds it."""
        raise NotImplementedError("start_target: start something to attach to and return the config that finds it")

    async def end_target(self, config: Mapping[str, Any]) -> None:
        """End what `start_target` started; for something that has ended, do nothing."""
        raise NotImplementedError("end_target: end what start_target started")

    async def start_twins(self, context: FakeContext) -> Mapping[str, Any]:
        """Start two things that one config finds; that config."""
        not_proved("no `start_twins`: nothing was shown about several things that match")

    async def is_alive(self, config: Mapping[str, Any]) -> bool:
        """Whether what `start_target` started still runs, asked past the attacher."""
        raise NotImplementedError("is_alive: tell whether the target still runs")

    def missing_config(self) -> Mapping[str, Any]:
        """A config that finds nothing."""
        raise NotImplementedError("missing_config: return a config that finds nothing")

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[AttacherBench]:
        """A fresh attacher."""
        async with FakeContext() as context:
            attacher: Attacher = self.offer.create(context)
            try:
                yield AttacherBench(attacher, context)
            finally:
                await attacher.aclose()

    def spec(self, config: Mapping[str, Any]) -> LaunchSpec:
        """A spec of a new run with this config."""
        return LaunchSpec("kit", "service", f"kit-{secrets.token_hex(6)}", config=config)

    @asynccontextmanager
    async def _attached(self, bench: AttacherBench) -> AsyncIterator[tuple[AttachedHandle, Mapping[str, Any]]]:
        config = await self.start_target(bench.context)
        try:
            yield await bench.attacher.attach(self.spec(config)), config
        finally:
            await self.end_target(config)

    def test_the_offer_says_that_it_attaches(self) -> None:
        assert self.offer.attaches

    @case()
    async def test_a_place_is_known_before_attaching(self, bench: AttacherBench) -> None:
        assert isinstance(bench.attacher.place(self.config), Place)

    @case()
    async def test_what_runs_is_found(self, bench: AttacherBench) -> None:
        async with self._attached(bench) as (handle, _):
            assert handle.ref

    @case()
    async def test_a_handle_can_not_stop(self, bench: AttacherBench) -> None:
        async with self._attached(bench) as (handle, _):
            assert isinstance(handle, AttachedHandle)
            assert not isinstance(handle, ProcessHandle)

    @case()
    async def test_nothing_that_matches_is_not_found(self, bench: AttacherBench) -> None:
        with pytest.raises(NotFound):
            await bench.attacher.attach(self.spec(self.missing_config()))

    @case()
    async def test_several_that_match_are_named(self, bench: AttacherBench) -> None:
        config = await self.start_twins(bench.context)
        try:
            with pytest.raises(Ambiguous) as caught:
                await bench.attacher.attach(self.spec(config))
        finally:
            await self.end_target(config)

        assert caught.value.message

    @case()
    async def test_its_end_is_noticed(self, bench: AttacherBench) -> None:
        async with self._attached(bench) as (handle, config):
            waiting = [asyncio.ensure_future(handle.wait()) for _ in range(3)]
            await asyncio.sleep(0)

            await self.end_target(config)

            exits = await asyncio.gather(*waiting)
            assert exits[0] == exits[1] == exits[2] == await handle.wait()

    @case()
    async def test_a_cancelled_wait_has_no_effect(self, bench: AttacherBench) -> None:
        async with self._attached(bench) as (handle, config):
            waiting = asyncio.ensure_future(handle.wait())
            await asyncio.sleep(0)

            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

            assert await self.is_alive(config)
            await self.end_target(config)
            await handle.wait()

    @case()
    async def test_letting_go_leaves_it_running(self, bench: AttacherBench) -> None:
        async with self._attached(bench) as (handle, config):
            await handle.detach()
            await bench.attacher.aclose()

            assert await self.is_alive(config)

    @case()
    async def test_it_is_found_again_after_it_was_let_go(self, bench: AttacherBench) -> None:
        async with self._attached(bench) as (handle, config):
            ref = handle.ref
            await handle.detach()

            again = await bench.attacher.attach(self.spec(config))

            assert again.ref == ref

    @case(Capability.STATS)
    async def test_what_it_uses_is_told(self, bench: AttacherBench) -> None:
        async with self._attached(bench) as (handle, _):
            stats = await handle.stats()

            assert (stats.memory, stats.cpu_seconds, stats.processes) != (None, None, None)

    @case(Capability.EXEC, Capability.TTY)
    async def test_a_command_beside_it_gets_a_terminal_of_the_size_asked_for(self, bench: AttacherBench) -> None:
        async with self._attached(bench) as (handle, _):
            env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
            session = await handle.exec(Command(("sh", "-c", "stty size"), env=env, stdin=True, tty=True, size=(33, 44)))

            shown = b"".join([chunk.data async for chunk in session.output()])

            await session.aclose()
            assert shown.split() == [b"33", b"44"]

    @case(lacks=Capability.OUTPUT)
    async def test_output_is_refused_where_it_is_not_declared(self, bench: AttacherBench) -> None:
        async with self._attached(bench) as (handle, _):
            with pytest.raises(NotSupported):
                await output_of(handle, OutputQuery())
