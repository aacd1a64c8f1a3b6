"""Drivers: the objects that offers create, each made once, on first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from harness_core.config.model import LayerConfig
from harness_core.contracts.errors import HarnessError
from harness_core.contracts.execution import Attacher, Launcher
from harness_core.contracts.health import HealthCheck
from harness_core.contracts.layer import Layer
from harness_core.contracts.offer import Capability, Context, Offer


class PluginBroken(HarnessError):
    """An offer could not create its object."""

    kind = "plugin.broken"


class Offers(Protocol):
    """The part of the catalog that drivers need."""

    @property
    def executors(self) -> Mapping[str, Offer]:
        """Executor offers by name."""

    def require(self, kind: str, name: str) -> Offer:
        """The offer; raises PluginMissing naming what is installed."""

    def distribution_of(self, offer: Offer) -> str | None:
        """The distribution that made an offer."""


class Drivers:
    """Executors, layers and checks by name."""

    def __init__(self, catalog: Offers, context: Callable[[str], Context]) -> None:
        self._catalog = catalog
        self._context = context
        self._made: dict[tuple[str, str], Any] = {}
        self._capabilities: dict[str, frozenset[Capability]] = {}

    def executor(self, name: str) -> Launcher | Attacher:
        """The executor of this type; raises PluginMissing or PluginBroken."""
        made: Launcher | Attacher = self._get("executor", name)
        return made

    def capabilities(self, name: str) -> frozenset[Capability]:
        """What the executor of this type declares."""
        known = self._capabilities.get(name)
        if known is None:
            known = self._capabilities[name] = self._catalog.require("executor", name).capabilities
        return known

    def check(self, name: str) -> HealthCheck:
        """The health check of this name."""
        made: HealthCheck = self._get("health_check", name)
        return made

    def layers(self, configs: Sequence[LayerConfig]) -> list[tuple[Layer, Any]]:
        """Layers with their configs, outermost first."""
        return [(self._get("layer", config.type), config.config) for config in configs]

    def recoverable(self) -> list[str]:
        """Names of executors whose runs survive the daemon."""
        return [name for name, offer in self._catalog.executors.items() if Capability.RECOVER in offer.capabilities]

    async def aclose(self) -> None:
        """Close every executor; services run on."""
        for (kind, _), made in self._made.items():
            if kind == "executor":
                await made.aclose()

    def _get(self, kind: str, name: str) -> Any:
        key = (kind, name)
        made = self._made.get(key)
        if made is None:
            offer = self._catalog.require(kind, name)
            distribution = self._catalog.distribution_of(offer) or name
            try:
                made = self._made[key] = offer.create(self._context(distribution))
            except (Exception, SystemExit) as error:
                raise PluginBroken(
                    f"{kind.replace('_', ' ')} {name!r} of {distribution} could not be created: {error}",
                    hint=f"check the installation of {distribution}: harness plugins",
                ) from error
        return made
