from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from harness_core.testing import FakeContext
from harness_plugin_sqlite.backend import SqliteRegistry


@pytest.fixture
def run():
    """Run a coroutine to its end, for 20 seconds at most."""

    def run(coroutine):
        async def bounded():
            async with asyncio.timeout(20):
                return await coroutine

        return asyncio.run(bounded())

    return run


@pytest.fixture
def file(tmp_path):
    return tmp_path / "state" / "registry.db"


@pytest.fixture
def registry_at():
    """An open registry: `async with registry_at(file) as registry`; further arguments go to its constructor."""

    @asynccontextmanager
    async def registry_at(file, **settings):
        async with FakeContext() as context:
            registry = SqliteRegistry(context, **settings)
            try:
                await registry.open({"path": str(file)})
                yield registry
            finally:
                await registry.aclose()

    return registry_at
