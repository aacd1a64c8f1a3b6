"""The four hooks of harness. A plugin answers "what do you offer?"; the objects it offers do the work.

Hooks are synchronous, pure, take no arguments and answer at once. Register the module that implements them as an entry
point in the group `harness.plugins`:

    [project.entry-points."harness.plugins"]
    podman = "harness_plugin_podman.plugin"

    # harness_plugin_podman/plugin.py
    from harness_core.hookspecs import hookimpl

    @hookimpl
    def harness_executors():
        return [OFFER]
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from harness_core.contracts.offer import Offer

PROJECT = "harness"
ENTRY_POINT_GROUP = "harness.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

__all__ = [
    "ENTRY_POINT_GROUP",
    "PROJECT",
    "harness_executors",
    "harness_health_checks",
    "harness_layers",
    "harness_registry_backends",
    "hookimpl",
    "hookspec",
]


@hookspec
def harness_executors() -> Iterable[Offer]:  # type: ignore[empty-body]
    """Ways to run a service: each offer creates a `Launcher` or an `Attacher`."""


@hookspec
def harness_layers() -> Iterable[Offer]:  # type: ignore[empty-body]
    """Ways to run a command somewhere else or otherwise: each offer creates a `Layer`."""


@hookspec
def harness_health_checks() -> Iterable[Offer]:  # type: ignore[empty-body]
    """Ways to find out whether a service is well: each offer creates a `HealthCheck`."""


@hookspec
def harness_registry_backends() -> Iterable[Offer]:  # type: ignore[empty-body]
    """Places to remember what runs where: each offer creates a `RegistryBackend`."""
