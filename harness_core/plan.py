"""Plans: what has to happen to get from what is to what is wanted. Pure; the engine carries them out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness_core import graph
from harness_core.config.model import IRRELEVANT, ProjectConfig, ServiceConfig
from harness_core.contracts.events import State

ACTIVE = frozenset(
    {
        State.WAITING,
        State.STARTING,
        State.RUNNING,
        State.UNHEALTHY,
        State.BACKOFF,
        State.UNREACHABLE,
        State.BLOCKED,
        State.LOST,
        State.STOP_STUCK,
    }
)
"""States in which a service is up or on its way there."""


class Action(StrEnum):
    """What happens to one service."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Step:
    """One service's part of a plan; `reason` is a sentence for people."""

    service: str
    action: Action
    reason: str = ""
    off: bool = False
    """left out, because none of its profiles is named"""


STALLED = frozenset({State.STOP_STUCK, State.BLOCKED})
"""States of a service that is up by its wish alone: asked to start, it tries again."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of a service: its state, and the definition that it runs with."""

    state: State
    digest: str
    wanted: bool = True


def plan_apply(
    old: ProjectConfig | None,
    new: ProjectConfig,
    observed: Mapping[str, Observed],
    wanted: Collection[str] | None,
) -> tuple[Step, ...]:
    """Steps from `observed` to `new`: removals first, dependents before what they need; then the rest in start order.

    `wanted` are the services to start besides those that are up (with all that they depend on); None: none.
    """
    needs = dependencies(new)
    to_start = graph.closure(needs, wanted or ())
    removed = [name for name in observed if name not in new.services]
    steps = [_removal(name, observed[name], old, new) for name in _stop_order(removed, old)]
    enabled = set(new.enabled())
    for name in graph.order(needs):
        seen = observed.get(name)
        if name not in enabled and name not in to_start and not (seen and is_up(seen)):
            steps.append(off(new.services[name]))
            continue
        steps.append(_step(new.services[name], seen, old.services.get(name) if old else None, name in to_start))
    return tuple(steps)


def plan_start(
    config: ProjectConfig, observed: Mapping[str, Observed], names: Collection[str] | None, *, profiles: Collection[str] = ()
) -> tuple[Step, ...]:
    """Steps to start services and what they depend on; None: all that run with the applied profiles and these."""
    wanted = config.enabled(profiles) if names is None else names
    needs = dependencies(config)
    concerned = graph.closure(needs, wanted)
    return tuple(
        _step(config.services[name], observed.get(name), config.services[name], True)
        for name in graph.order(needs)
        if name in concerned
    )


def plan_stop(config: ProjectConfig, observed: Mapping[str, Observed], names: Collection[str] | None) -> tuple[Step, ...]:
    """Steps to stop services, dependents before what they need; None: all of them."""
    wanted = set(config.services.keys() if names is None else names)
    steps = []
    for name in reversed(graph.order(dependencies(config))):
        if name in wanted:
            up = observed[name].state in ACTIVE or observed[name].state is State.STOPPING
            steps.append(Step(name, Action.STOP if up else Action.KEEP, "asked to stop" if up else "already stopped"))
    return tuple(steps)


def running_dependents(config: ProjectConfig, observed: Mapping[str, Observed], names: Collection[str]) -> list[str]:
    """Services that are up, depend on one of `names`, and are not among them."""
    wanted_by = graph.reverse(dependencies(config))
    above = graph.closure(wanted_by, names) - set(names)
    return sorted(name for name in above if observed[name].state in ACTIVE)


def dependencies(config: ProjectConfig) -> dict[str, Collection[str]]:
    """The project's graph."""
    return {name: service.dependencies.keys() for name, service in config.services.items()}


def changed_keys(old: ServiceConfig, new: ServiceConfig) -> list[str]:
    """The top-level keys in which two definitions differ."""
    keys = set(old.block) | set(new.block)
    return sorted(k for k in keys if k not in IRRELEVANT and old.block.get(k) != new.block.get(k))


def is_up(seen: Observed) -> bool:
    """Whether a service is up, or on its way there."""
    return seen.state in ACTIVE and seen.wanted


def off(service: ServiceConfig) -> Step:
    """What happens to a service that runs only when it, or a profile of its own, is named."""
    return Step(service.name, Action.KEEP, f"off: runs only with the profile {' or '.join(service.profiles)}", off=True)


def _step(service: ServiceConfig, seen: Observed | None, old: ServiceConfig | None, to_start: bool) -> Step:
    if seen is None:
        return Step(service.name, Action.START, "new") if to_start else Step(service.name, Action.KEEP, "new, not started")
    changed = seen.digest != service.digest
    up = is_up(seen)
    if up and changed:
        keys = changed_keys(old, service) if old else []
        return Step(service.name, Action.RESTART, "changed: " + ", ".join(keys) if keys else "its definition changed")
    if up and not (to_start and seen.state in STALLED):
        return Step(service.name, Action.KEEP, f"already {seen.state}")
    if not to_start:
        return Step(service.name, Action.KEEP, f"{seen.state}, not asked to start")
    if seen.state is State.COMPLETED and not changed:
        return Step(service.name, Action.KEEP, "already completed")
    return Step(service.name, Action.START, "its definition changed" if changed else f"is {seen.state}")


def _removal(name: str, seen: Observed, old: ProjectConfig | None, new: ProjectConfig) -> Step:
    twin = next((s.name for s in new.services.values() if s.digest == seen.digest and not (old and s.name in old.services)), None)
    if twin:
        return Step(name, Action.REMOVE, f"renamed to {twin!r}: stops here and starts there")
    return Step(name, Action.REMOVE, "no longer in the configuration")


def _stop_order(names: Collection[str], old: ProjectConfig | None) -> list[str]:
    known = [n for n in reversed(graph.order(dependencies(old))) if n in names] if old else []
    return known + sorted(set(names) - set(known))
