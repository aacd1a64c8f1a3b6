"""Which registry a daemon opens, and what it does with one that can't be opened."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from harness_core.contracts.errors import Corrupt, HarnessError, TooNew
from harness_core.contracts.offer import Offer
from harness_core.daemon.app import Options, open_registry
from harness_core.daemon.log import OwnLog
from harness_core.daemon.settings import Settings
from harness_core.plugins import PluginMissing
from harness_core.testing.catalog import catalog_of
from harness_core.testing.fakes.registry import MemoryRegistry


class Scribbled(MemoryRegistry):
    """Can't be read until it was moved aside."""

    moved_to: str | None = "/state/registry.corrupt"

    def __init__(self) -> None:
        super().__init__()
        self.quarantined = False
        self.settings: object = None

    async def open(self, config):
        self.settings = config
        if not self.quarantined:
            raise Corrupt("the database can't be read: file is not a database")
        await super().open(config)

    async def quarantine(self):
        self.quarantined = True
        return self.moved_to


def opened(tmp_path, create, *, name="sqlite", settings=None):
    log = OwnLog(tmp_path)
    catalog = catalog_of(registry_backends=[Offer(name=name, summary="", create=create)])

    async def there():
        async with AsyncExitStack() as closing:
            return await open_registry(Options(tmp_path, settings or Settings()), catalog, log, closing)

    try:
        return asyncio.run(there())
    finally:
        log.close()


def test_the_one_that_the_settings_name_is_opened_with_its_own_keys(tmp_path):
    backend = Scribbled()
    backend.quarantined = True

    found, degraded = opened(tmp_path, lambda _: backend, name="etcd", settings=Settings("etcd", {"endpoints": ["a"]}))

    assert (found, degraded) == (backend, None)
    assert backend.settings == {"endpoints": ["a"]}


def test_one_that_nobody_offers_is_named_with_the_package_to_install(tmp_path):
    with pytest.raises(PluginMissing, match="no registry backend 'sqlite'; installed: other") as error:
        opened(tmp_path, lambda _: MemoryRegistry(), name="other")

    assert (error.value.kind, error.value.hint) == ("plugin.missing", "pip install harness-plugin-sqlite")


def test_one_that_cannot_be_read_is_moved_aside_and_the_daemon_starts_degraded(tmp_path):
    backend = Scribbled()

    found, degraded = opened(tmp_path, lambda _: backend)

    assert (found, backend.quarantined) == (backend, True)
    assert "not a database" in degraded
    assert "/state/registry.corrupt" in degraded
    assert "not a database" in (tmp_path / "daemon.log").read_text()


def test_one_of_a_newer_harness_is_refused(tmp_path):
    class Newer(MemoryRegistry):
        async def open(self, config):
            raise TooNew("the database was written by harness 9.1", hint="upgrade harness")

    with pytest.raises(TooNew, match=r"harness 9\.1"):
        opened(tmp_path, lambda _: Newer())


@pytest.mark.parametrize("where", ["create", "open"])
def test_one_that_breaks_is_named_with_its_cause(tmp_path, where):
    class Broken(MemoryRegistry):
        async def open(self, config):
            raise ZeroDivisionError("open")

    def create(context):
        if where == "create":
            raise ZeroDivisionError("create")
        return Broken()

    with pytest.raises(HarnessError, match=rf"registry backend 'sqlite' failed: ZeroDivisionError\('{where}'\)") as error:
        opened(tmp_path, create)

    assert error.value.kind == "registry.failed"
