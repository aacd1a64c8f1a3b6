"""catalog_of: a Catalog out of offers, for tests that install nothing."""

from __future__ import annotations

from collections.abc import Iterable

from harness_core import __version__
from harness_core.contracts.offer import Offer
from harness_core.plugins.catalog import BrokenPlugin, Catalog, Kind, LoadedPlugin


def catalog_of(
    *,
    executors: Iterable[Offer] = (),
    layers: Iterable[Offer] = (),
    health_checks: Iterable[Offer] = (),
    registry_backends: Iterable[Offer] = (),
    broken: Iterable[BrokenPlugin] = (),
    distribution: str = "harness-testing",
) -> Catalog:
    """A catalog in which one distribution offers exactly these."""
    by_kind = {
        Kind.EXECUTOR: tuple(executors),
        Kind.LAYER: tuple(layers),
        Kind.HEALTH_CHECK: tuple(health_checks),
        Kind.REGISTRY_BACKEND: tuple(registry_backends),
    }
    offers = tuple((kind, offer) for kind, of_kind in by_kind.items() for offer in of_kind)
    return Catalog(
        executors={offer.name: offer for offer in by_kind[Kind.EXECUTOR]},
        layers={offer.name: offer for offer in by_kind[Kind.LAYER]},
        health_checks={offer.name: offer for offer in by_kind[Kind.HEALTH_CHECK]},
        registry_backends={offer.name: offer for offer in by_kind[Kind.REGISTRY_BACKEND]},
        plugins=(LoadedPlugin(distribution, __version__, "testing", offers),),
        broken=tuple(broken),
    )
