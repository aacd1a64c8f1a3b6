"""HealthCheckContract: a probe is one attempt with one verdict, whatever the service does to it."""

from __future__ import annotations

import asyncio
import inspect
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from harness_core.contracts.command import Command
from harness_core.contracts.health import ExecResult, Health, HealthCheck, Target
from harness_core.contracts.place import LOCAL, Address, Endpoint
from harness_core.plugins.catalog import Kind
from harness_core.testing.context import FakeContext
from harness_core.testing.kit.bench import until
from harness_core.testing.kit.case import case, not_proved
from harness_core.testing.kit.offer import OfferContract

Answer = Callable[[StreamReader, StreamWriter], Awaitable[None]]


class FakeTarget:
    """A service as a probe sees it: real connections on this machine, real commands, lines that a test gives."""

    def __init__(self, *, port: int | None = None, lines: Sequence[bytes] = ()) -> None:
        self.lines = list(lines)
        self.dialled: list[tuple[str, int]] = []
        self.executed: list[Command] = []
        self.endpoints: Sequence[Endpoint] = (
            [Endpoint("main", "tcp", (Address("127.0.0.1", port, LOCAL),))] if port is not None else []
        )
        self._writers: list[StreamWriter] = []

    async def dial(self, host: str, port: int) -> tuple[StreamReader, StreamWriter]:
        """A connection, noted in `dialled`."""
        self.dialled.append((host, port))
        reader, writer = await asyncio.open_connection(host, port)
        self._writers.append(writer)
        return reader, writer

    async def exec(self, command: Command) -> ExecResult:
        """What a command on this machine answers."""
        self.executed.append(command)
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            env=dict(command.env) or None,
            cwd=command.cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        code = process.returncode
        return ExecResult(code if code is not None and code >= 0 else None, output[: 64 * 1024])

    async def fresh_output(self) -> Sequence[bytes]:
        """The lines since the previous call."""
        fresh, self.lines = self.lines, []
        return fresh

    async def aclose(self) -> None:
        """Close the connections that a probe left open; `left_open` tells how many."""
        for writer in self._writers:
            writer.close()

    @property
    def left_open(self) -> int:
        """Connections that were dialled and not closed."""
        return sum(not writer.is_closing() for writer in self._writers)


class HealthCheckContract(OfferContract):
    """Inherit, set `offer`, `config`, and give targets: one that is well, one that is not."""

    kind = Kind.HEALTH_CHECK
    made = HealthCheck
    dials = True
    """whether the check reaches the service over the network"""

    def healthy_target(self) -> tuple[Any, FakeTarget]:
        """A config and a target that make the check say healthy."""
        raise NotImplementedError("healthy_target: return (config, FakeTarget) that is well")

    def unhealthy_target(self) -> tuple[Any, FakeTarget]:
        """A config and a target that make the check say unhealthy."""
        raise NotImplementedError("unhealthy_target: return (config, FakeTarget) that is not well")

    def config_at(self, port: int) -> Any:
        """A config that probes this port of 127.0.0.1, for checks that dial."""
        raise NotImplementedError("config_at: return a config that probes the given port, or set `dials = False`")

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[HealthCheck]:
        """A fresh check."""
        async with FakeContext() as context:
            check: HealthCheck = self.offer.create(context)
            yield check

    @case()
    async def test_a_service_that_is_well_is_healthy(self, bench: HealthCheck) -> None:
        config, target = self.healthy_target()

        health = await bench.probe(config, target)

        assert health.healthy, health.detail
        await target.aclose()

    @case()
    async def test_a_service_that_is_not_well_is_unhealthy_and_says_why(self, bench: HealthCheck) -> None:
        config, target = self.unhealthy_target()

        health = await verdict(bench, config, target)

        assert not health.healthy
        assert health.detail
        await target.aclose()

    @case()
    async def test_probing_twice_finds_the_same(self, bench: HealthCheck) -> None:
        config, target = self.unhealthy_target()

        first, second = await verdict(bench, config, target), await verdict(bench, config, target)

        assert (first.healthy, second.healthy) == (False, False)
        await target.aclose()

    @case()
    async def test_a_refused_connection_is_a_verdict(self, bench: HealthCheck) -> None:
        self._needs_dialling()
        async with listening(_close) as port:
            pass  # the port was free a moment ago, and is again

        health = await bench.probe(self.config_at(port), FakeTarget(port=port))

        assert not health.healthy
        assert str(port) in health.detail or "refused" in health.detail.lower()

    @case()
    async def test_a_connection_goes_through_the_target(self, bench: HealthCheck) -> None:
        self._needs_dialling()
        async with listening(_close) as port:
            target = FakeTarget(port=port)

            await verdict(bench, self.config_at(port), target)

            assert target.dialled == [("127.0.0.1", port)]
            await target.aclose()

    @case()
    async def test_a_probe_closes_what_it_opens(self, bench: HealthCheck) -> None:
        self._needs_dialling()
        async with listening(_close) as port:
            target = FakeTarget(port=port)

            await verdict(bench, self.config_at(port), target)

            assert target.left_open == 0

    @case()
    async def test_a_cancelled_probe_closes_what_it_opened(self, bench: HealthCheck) -> None:
        self._needs_dialling()
        async with listening(_say_nothing) as port:
            target = FakeTarget(port=port)
            probing = asyncio.ensure_future(bench.probe(self.config_at(port), target))

            async def has_dialled() -> bool:
                return bool(target.dialled)

            await until(has_dialled, what="the probe's connection")

            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)

            assert target.left_open == 0

    @case()
    async def test_garbage_is_a_verdict(self, bench: HealthCheck) -> None:
        self._needs_dialling()
        async with listening(_say_garbage) as port:
            target = FakeTarget(port=port)

            health = await bench.probe(self.config_at(port), target)

            assert isinstance(health, Health)
            assert "\n" not in health.detail
            await target.aclose()

    @case()
    async def test_many_probes_at_once_do_not_disturb_each_other(self, bench: HealthCheck) -> None:
        # A target each: lines of output are handed out once.
        targets = [target for _ in range(5) for target in (self.healthy_target(), self.unhealthy_target())]

        found = await asyncio.gather(*(verdict(bench, config, target) for config, target in targets))

        assert [health.healthy for health in found] == [True, False] * 5
        for _, target in targets:
            await target.aclose()

    def test_it_is_described_in_one_line(self) -> None:
        check: HealthCheck = self.offer.create(FakeContext())

        words = check.describe(self.config)

        assert words
        assert "\n" not in words

    def test_a_probe_is_a_coroutine(self) -> None:
        assert inspect.iscoroutinefunction(self.offer.create(FakeContext()).probe)

    def _needs_dialling(self) -> None:
        if not self.dials:
            not_proved(f"'{self.offer.name}' does not reach the service over the network")


async def verdict(check: HealthCheck, config: Any, target: Target) -> Health:
    """What core makes of a probe: an exception counts as unhealthy, with its text as the detail."""
    try:
        return await check.probe(config, target)
    except Exception as error:
        return Health(False, str(error) or type(error).__name__)


@asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[int]:
    """A port of this machine on which connections are answered so."""
    writers: list[StreamWriter] = []

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        writers.append(writer)
        await answer(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()


async def _close(reader: StreamReader, writer: StreamWriter) -> None:
    writer.close()


async def _say_nothing(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read()


async def _say_garbage(reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(b"\xff\xfe\0garbage\r\n\r\n" * 10)
    writer.close()
