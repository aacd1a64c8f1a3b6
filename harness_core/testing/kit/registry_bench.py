"""RegistryBench: a store of its own for each case, and backends that open it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from harness_core.contracts.registry import Record, RegistryBackend
from harness_core.testing.context import FakeContext
from harness_core.testing.kit.offer import OfferContract


class RegistryBench:
    """What each case of a registry works with: a place to store in, and backends that open it."""

    def __init__(self, contract: RegistryPlaces, context: FakeContext, folder: Path) -> None:
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


class RegistryPlaces(OfferContract):
    """What an author says about where a test's store is."""

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


async def values(registry: RegistryBackend, kind: str) -> dict[str, Any]:
    """The present values of a kind by key."""
    records, _ = await registry.snapshot(kind)
    return {record.key: record.value for record in records}


async def watching(registry: RegistryBackend, after: int) -> AsyncGenerator[Record, None]:
    """A watch that can be closed, whatever kind of iterator the backend gives."""
    async for record in registry.watch(after):
        yield record
