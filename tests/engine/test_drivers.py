"""Objects that offers create: once, when needed, and an offer that breaks hurts only who needs it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness_core.config.model import LayerConfig
from harness_core.contracts.errors import HarnessError
from harness_core.contracts.offer import Capability
from harness_core.engine.drivers import Drivers, PluginBroken
from harness_core.testing import FakeContext, FakeHealthCheck, FakeWorld, catalog_of, fake_layer_offer, fake_offer


def leave(context: Any) -> Any:
    raise SystemExit("the SDK is too old")


async def test_each_is_made_once_and_only_when_needed() -> None:
    made: list[str] = []
    offer = fake_offer(FakeWorld())
    counting = replace(offer, create=lambda context: (made.append(offer.name), offer.create(context))[1])
    async with FakeContext() as context:
        drivers = Drivers(
            catalog_of(executors=[counting], layers=[fake_layer_offer()], health_checks=[FakeHealthCheck().offer()]),
            lambda distribution: context,
        )
        assert not made

        assert drivers.executor("fake") is drivers.executor("fake")
        [(layer, config)] = drivers.layers([LayerConfig("fake", {"mark": "a"})])
        drivers.check("fake")

        assert made == ["fake"]
        assert (layer.describe(config), config) == ("fake a", {"mark": "a"})
        assert Capability.RECOVER in drivers.capabilities("fake")
        assert drivers.recoverable() == ["fake"]
        await drivers.aclose()


async def test_an_offer_that_can_not_create_is_named_with_its_cause() -> None:
    async with FakeContext() as context:
        drivers = Drivers(catalog_of(executors=[replace(fake_offer(FakeWorld()), create=leave)]), lambda name: context)

        with pytest.raises(PluginBroken, match="executor 'fake' of harness-testing could not be created: the SDK is too old"):
            drivers.executor("fake")


async def test_what_is_not_installed_is_refused_naming_what_is() -> None:
    async with FakeContext() as context:
        drivers = Drivers(catalog_of(executors=[fake_offer(FakeWorld())]), lambda name: context)

        with pytest.raises(HarnessError, match="'podman'") as raised:
            drivers.executor("podman")

        assert "fake" in f"{raised.value.message} {raised.value.hint}"
