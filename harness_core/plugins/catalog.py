"""Catalog: every offer that can be used, by kind and name, and every plugin that can't, with its cause."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from harness_core.contracts.errors import HarnessError
from harness_core.contracts.offer import Offer


class Kind(StrEnum):
    """The four kinds of thing that plugins offer."""

    EXECUTOR = "executor"
    LAYER = "layer"
    HEALTH_CHECK = "health_check"
    REGISTRY_BACKEND = "registry_backend"

    @property
    def words(self) -> str:
        """The kind as it stands in a sentence."""
        return self.value.replace("_", " ")

    @property
    def hook(self) -> str:
        """The hook that answers with offers of this kind."""
        return f"harness_{self.value}s"


# Only our own: a hint to install must never send anybody to a stranger's package.
_OURS: Mapping[tuple[Kind, str], str] = {
    (Kind.EXECUTOR, "process"): "harness-plugin-process",
    (Kind.EXECUTOR, "process-attach"): "harness-plugin-process",
    (Kind.LAYER, "local"): "harness-plugin-layers",
    (Kind.LAYER, "env"): "harness-plugin-layers",
    (Kind.LAYER, "sudo"): "harness-plugin-layers",
    (Kind.HEALTH_CHECK, "command"): "harness-plugin-health",
    (Kind.HEALTH_CHECK, "http"): "harness-plugin-health",
    (Kind.HEALTH_CHECK, "tcp"): "harness-plugin-health",
    (Kind.HEALTH_CHECK, "log"): "harness-plugin-health",
    (Kind.REGISTRY_BACKEND, "sqlite"): "harness-plugin-sqlite",
}


class PluginMissing(HarnessError):
    """No usable plugin offers this name; the message lists what is installed, or says what broke the one that would."""

    kind = "plugin.missing"

    def __init__(self, message: str, *, name: str, known: tuple[str, ...], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.name = name
        self.known = known


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """An entry point that answered; `warnings` are sentences about what it does in vain."""

    distribution: str
    version: str
    entry_point: str
    offers: tuple[tuple[Kind, Offer], ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The plugin as it stands on the wire: what it offers, never its code."""
        return {
            "distribution": self.distribution,
            "version": self.version,
            "entry_point": self.entry_point,
            "offers": [_offer_to_json(kind, offer) for kind, offer in self.offers],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """What can't be used: `cause` is one line; `names` are the words that users may have written for it."""

    distribution: str
    version: str
    entry_point: str
    cause: str
    names: tuple[str, ...] = ()
    kind: Kind | None = None
    """None: it broke before it said what it offers, so `names` is a guess"""

    def to_json(self) -> dict[str, Any]:
        """The row as it stands on the wire."""
        return {
            "distribution": self.distribution,
            "version": self.version,
            "entry_point": self.entry_point,
            "cause": self.cause,
            "names": list(self.names),
            "kind": self.kind.value if self.kind else None,
        }


@dataclass(frozen=True, slots=True)
class DisabledPlugin:
    """Installed and left alone, because the person said so."""

    distribution: str
    version: str
    entry_point: str

    def to_json(self) -> dict[str, Any]:
        """The row as it stands on the wire."""
        return {"distribution": self.distribution, "version": self.version, "entry_point": self.entry_point}


@dataclass(frozen=True, slots=True)
class Catalog:
    """All offers by kind and name, and what is broken or disabled. Aliases are found by `find`, not listed."""

    executors: Mapping[str, Offer] = field(default_factory=dict)
    layers: Mapping[str, Offer] = field(default_factory=dict)
    health_checks: Mapping[str, Offer] = field(default_factory=dict)
    registry_backends: Mapping[str, Offer] = field(default_factory=dict)
    plugins: tuple[LoadedPlugin, ...] = ()
    broken: tuple[BrokenPlugin, ...] = ()
    disabled: tuple[DisabledPlugin, ...] = ()

    def offers(self, kind: Kind | str) -> Mapping[str, Offer]:
        """The offers of one kind by name."""
        by_kind = {
            Kind.EXECUTOR: self.executors,
            Kind.LAYER: self.layers,
            Kind.HEALTH_CHECK: self.health_checks,
            Kind.REGISTRY_BACKEND: self.registry_backends,
        }
        return by_kind[Kind(kind)]

    def find(self, kind: Kind | str, name: str) -> Offer | None:
        """The offer that users mean by `name` or one of its aliases."""
        offers = self.offers(kind)
        if name in offers:
            return offers[name]
        return next((offer for offer in offers.values() if name in offer.aliases), None)

    def require(self, kind: Kind | str, name: str) -> Offer:
        """The offer that users mean by `name`; raises PluginMissing, which says what to do."""
        offer = self.find(kind, name)
        if offer is None:
            raise self.missing(kind, name)
        return offer

    def missing(self, kind: Kind | str, name: str) -> PluginMissing:
        """The error for a name that nothing usable offers: a broken or disabled plugin is named with its cause."""
        kind = Kind(kind)
        known = tuple(sorted(self.offers(kind)))
        ours = _OURS.get((kind, name))
        broken = self._broken_for(kind, name, ours)
        if broken is not None:
            return PluginMissing(
                f"no {kind.words} '{name}': plugin {broken.distribution} {broken.version} is broken: {broken.cause}",
                name=name,
                known=known,
                hint="`harness plugins` lists what is broken; reinstall, upgrade or uninstall that plugin",
            )
        disabled = self._disabled_for(name, ours)
        if disabled is not None:
            return PluginMissing(
                f"no {kind.words} '{name}': plugin {disabled.distribution} is disabled",
                name=name,
                known=known,
                hint="take it out of HARNESS_DISABLE_PLUGINS",
            )
        installed = "; installed: " + ", ".join(known) if known else f"; no {kind.words} is installed"
        return PluginMissing(f"no {kind.words} '{name}'{installed}", name=name, known=known, hint=_hint(ours, name, known))

    def expects(self, kind: Kind | str, name: str) -> bool:
        """Whether a plugin is known that offers this name, though it is broken, disabled or not installed: no typo."""
        kind = Kind(kind)
        ours = _OURS.get((kind, name))
        broken = self._broken_for(kind, name, ours)
        return ours is not None or broken is not None or self._disabled_for(name, ours) is not None

    def distribution_of(self, offer: Offer) -> str | None:
        """The distribution that an offer came from; None for an offer of nobody here."""
        for plugin in self.plugins:
            if any(offered is offer for _, offered in plugin.offers):
                return plugin.distribution
        return None

    def to_json(self) -> dict[str, Any]:
        """The catalog as `harness plugins --json` shows it."""
        return {
            "plugins": [plugin.to_json() for plugin in self.plugins],
            "broken": [plugin.to_json() for plugin in self.broken],
            "disabled": [plugin.to_json() for plugin in self.disabled],
        }

    def _broken_for(self, kind: Kind, name: str, ours: str | None) -> BrokenPlugin | None:
        """The broken plugin that would have offered `name`, best known first."""
        certain = (b for b in self.broken if b.kind is kind and name in b.names)
        guessed = (b for b in self.broken if b.kind is None and (name in b.names or b.distribution == ours))
        return next(certain, None) or next(guessed, None)

    def _disabled_for(self, name: str, ours: str | None) -> DisabledPlugin | None:
        """The disabled plugin that offers `name`, as far as that can be told without loading it."""
        return next((p for p in self.disabled if p.entry_point == name or p.distribution == ours), None)


def _offer_to_json(kind: Kind, offer: Offer) -> dict[str, Any]:
    return {
        "kind": kind.value,
        "name": offer.name,
        "aliases": list(offer.aliases),
        "summary": offer.summary,
        "capabilities": sorted(capability.value for capability in offer.capabilities),
        "api": list(offer.api),
        "attaches": offer.attaches,
    }


def _hint(ours: str | None, name: str, known: tuple[str, ...]) -> str | None:
    if ours is not None:
        return f"pip install {ours}"
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{close[0]}'?" if close else None
