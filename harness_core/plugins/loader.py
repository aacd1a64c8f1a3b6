"""discover: load every plugin on its own, so that a broken one is a row in a table and hurts nobody else.

pluggy's own `load_setuptools_entrypoints` stops at the first import that fails; here each entry point, each hook
implementation and each offer is tried by itself.
"""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

import pluggy

from harness_core import hookspecs
from harness_core.contracts.offer import Offer
from harness_core.plugins.catalog import BrokenPlugin, Catalog, DisabledPlugin, Kind, LoadedPlugin
from harness_core.plugins.inspection import fault_of

DISABLE_VARIABLE = "HARNESS_DISABLE_PLUGINS"
_KIND_OF_HOOK = {kind.hook: kind for kind in Kind}

# A plugin that calls sys.exit() while it is imported must not end us.
_ANY_FAULT = (Exception, SystemExit)


def discover(
    *,
    disabled: Collection[str] = (),
    entry_points: Iterable[EntryPoint] | None = None,
    check_schemas: bool = True,
) -> Catalog:
    """Everything that installed plugins offer. Never raises for a plugin's sake: what is broken stands in `.broken`.

    `disabled` names distributions or entry points to leave alone, besides those in HARNESS_DISABLE_PLUGINS.
    `check_schemas=False` saves the import of jsonschema: a schema that is no JSON Schema is then found only at its use.
    """
    left_alone = {_normal(word) for word in (*disabled, *os.environ.get(DISABLE_VARIABLE, "").split(","))} - {""}
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)

    sources: list[_Source] = []
    skipped: list[DisabledPlugin] = []
    for entry_point in _sorted(_installed() if entry_points is None else entry_points):
        distribution, version = _identity(entry_point)
        if left_alone & {_normal(distribution), _normal(entry_point.name)}:
            skipped.append(DisabledPlugin(distribution, version, entry_point.name))
            continue
        source = _Source(distribution, version, entry_point.name)
        source.load(entry_point, manager, check_schemas=check_schemas)
        sources.append(source)
    _break_clashes(sources)
    return _catalog(sources, skipped)


@dataclass(slots=True)
class _Source:
    """One entry point while it is being loaded: what it offers and what is wrong with it."""

    distribution: str
    version: str
    entry_point: str
    offers: list[tuple[Kind, Offer]] = field(default_factory=list)
    broken: list[BrokenPlugin] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def load(self, entry_point: EntryPoint, manager: pluggy.PluginManager, *, check_schemas: bool) -> None:
        """Import, register and ask every hook, noting each fault by itself."""
        try:
            plugin = entry_point.load()
        except _ANY_FAULT as error:
            self.note_broken(_sentence(error), (entry_point.name,))
            return
        # pluggy knows a plugin object once, while two distributions may point to the same module.
        name = f"{self.distribution}:{entry_point.name}"
        try:
            manager.register(plugin, name=name)
        except _ANY_FAULT as error:
            if manager.get_plugin(name) is not None:  # pluggy 1.6 leaves it half registered
                manager.unregister(name=name)
            # pluggy says what is wrong on the last of several lines.
            invalid = isinstance(error, pluggy.PluginValidationError)
            self.note_broken(" ".join(str(error).split()) if invalid else _sentence(error), (entry_point.name,))
            return
        for caller in manager.get_hookcallers(plugin) or ():
            for implementation in caller.get_hookimpls():
                if implementation.plugin is plugin:
                    self._ask(caller, implementation, check_schemas=check_schemas)
        if not (self.offers or self.broken or self.warnings):
            self.warnings.append(f"implements no hook of harness: {', '.join(_KIND_OF_HOOK)}")

    def note_broken(self, cause: str, names: tuple[str, ...], kind: Kind | None = None) -> None:
        """Add a row about something here that can't be used."""
        self.broken.append(BrokenPlugin(self.distribution, self.version, self.entry_point, cause, names, kind))

    def _ask(self, caller: pluggy.HookCaller, implementation: pluggy.HookImpl, *, check_schemas: bool) -> None:
        kind = _KIND_OF_HOOK.get(caller.name)
        if kind is None:
            if not implementation.optionalhook:
                self.warnings.append(_unknown_hook(caller.name))
            return
        try:
            offers = _answer(caller.name, implementation)
        except _ANY_FAULT as error:
            self.note_broken(_sentence(error), (self.entry_point,))
            return
        for offer in offers:
            fault = fault_of(offer, kind, check_schema=check_schemas)
            if fault is None:
                self.offers.append((kind, offer))
            else:
                self.note_broken(fault, _words(offer), kind)


def _answer(hook: str, implementation: pluggy.HookImpl) -> Sequence[Any]:
    """What one implementation offers; raises TypeError with a sentence about what it should have been."""
    function = implementation.function
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{hook} is an async function; hooks are synchronous: write `def`, not `async def`")
    if implementation.hookwrapper or implementation.wrapper:
        raise TypeError(f"{hook} is a hook wrapper; hooks of harness only answer with offers")
    answer = function()
    if isinstance(answer, Offer):
        raise TypeError(f"{hook} returned one Offer; return a list: [OFFER]")
    if not isinstance(answer, Iterable):
        raise TypeError(f"{hook} returned {type(answer).__name__}, not a list of offers")
    return list(answer)


def _break_clashes(sources: Sequence[_Source]) -> None:
    """Turn offers that want the same word into broken rows: neither wins, since either may be the one that was meant."""
    claims: dict[tuple[Kind, str], list[tuple[_Source, Offer]]] = {}
    for source in sources:
        for kind, offer in source.offers:
            for word in _words(offer):
                claims.setdefault((kind, word), []).append((source, offer))
    for (kind, word), claimants in claims.items():
        if len(claimants) == 1:
            continue
        who = " and ".join(f"{source.distribution} {source.version}" for source, _ in claimants)
        cause = f"name clash: {kind.words} '{word}' is offered by {who}; uninstall or disable one"
        for source, offer in claimants:
            left = [entry for entry in source.offers if entry[1] is not offer]
            if len(left) < len(source.offers):  # not yet broken by another word of the same offer
                source.offers[:] = left
                source.note_broken(cause, _words(offer), kind)


def _catalog(sources: Sequence[_Source], skipped: Sequence[DisabledPlugin]) -> Catalog:
    by_kind: dict[Kind, dict[str, Offer]] = {kind: {} for kind in Kind}
    for source in sources:
        for kind, offer in source.offers:
            by_kind[kind][offer.name] = offer
    loaded = (
        LoadedPlugin(s.distribution, s.version, s.entry_point, tuple(s.offers), tuple(s.warnings))
        for s in sources
        if s.offers or s.warnings
    )
    return Catalog(
        executors=MappingProxyType(by_kind[Kind.EXECUTOR]),
        layers=MappingProxyType(by_kind[Kind.LAYER]),
        health_checks=MappingProxyType(by_kind[Kind.HEALTH_CHECK]),
        registry_backends=MappingProxyType(by_kind[Kind.REGISTRY_BACKEND]),
        plugins=tuple(loaded),
        broken=tuple(row for source in sources for row in source.broken),
        disabled=tuple(skipped),
    )


def _installed() -> Iterable[EntryPoint]:
    return entry_points(group=hookspecs.ENTRY_POINT_GROUP)


def _sorted(found: Iterable[EntryPoint]) -> list[EntryPoint]:
    # By name, so that what is said does not depend on the order of sys.path.
    return sorted(found, key=lambda entry_point: (_identity(entry_point)[0], entry_point.name))


def _identity(entry_point: EntryPoint) -> tuple[str, str]:
    """Distribution and version; a damaged installation has neither."""
    distribution = entry_point.dist
    if distribution is None:
        return "(no distribution)", "?"
    try:
        return distribution.name or "(unnamed)", distribution.version or "?"
    except _ANY_FAULT:
        return "(unreadable metadata)", "?"


def _words(offer: Any) -> tuple[str, ...]:
    """All that users may write for an offer; of something malformed, what can be read."""
    words = (getattr(offer, "name", None), *(getattr(offer, "aliases", None) or ()))
    return tuple(dict.fromkeys(word for word in words if isinstance(word, str)))


def _unknown_hook(name: str) -> str:
    close = difflib.get_close_matches(name, _KIND_OF_HOOK, n=1)
    hint = f"; did you mean {close[0]}?" if close else f"; harness knows {', '.join(_KIND_OF_HOOK)}"
    return f"unknown hook {name}, never called{hint}"


def _sentence(error: BaseException) -> str:
    """The first line of the cause, with the kind of error before it."""
    text = str(error).strip()
    first = text.splitlines()[0] if text else ""
    if isinstance(error, SystemExit):
        return f"called sys.exit({first}) while it was loaded"
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _normal(name: str) -> str:
    """Distribution names are equal regardless of case, '_', '-' and '.'."""
    return name.strip().lower().replace("_", "-").replace(".", "-")
