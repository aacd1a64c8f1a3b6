"""Project: one set of services as the engine holds it."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness_core import graph
from harness_core.config.model import ProjectConfig
from harness_core.contracts.errors import HarnessError
from harness_core.contracts.events import State
from harness_core.engine.orders import Order, OrderKind
from harness_core.engine.preparation import Preparation
from harness_core.engine.store import Wish
from harness_core.engine.supervisor import Supervisor
from harness_core.mask import masker
from harness_core.plan import ACTIVE, Action, Observed, Step, dependencies, running_dependents


class UnknownProject(HarnessError):
    """The daemon has no such project."""

    kind = "project.unknown"


class UnknownService(HarnessError):
    """The project has no such service; the hint suggests one."""

    kind = "service.unknown"


class UnknownProfile(HarnessError):
    """No service of the project has such a profile; the hint suggests one."""

    kind = "config.unknown-profile"


class RunningDependents(HarnessError):
    """A stop would take the ground from under running services."""

    kind = "stop.dependents"


@dataclass(slots=True)
class Project:
    """A configuration, a supervisor for each of its services, and who is changing it now."""

    config: ProjectConfig
    supervisors: dict[str, Supervisor]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    acting: str | None = None
    """what holds the lock, for those who must queue: "apply asked by local" """
    preparation: Preparation = field(default_factory=Preparation)

    @property
    def id(self) -> str:
        """The project's identity."""
        return self.config.id

    @property
    def observed(self) -> dict[str, Observed]:
        """What is known of each service, for plans."""
        return {name: Observed(_on_its_way(s), s.definition, s.wanted) for name, s in self.supervisors.items()}

    @property
    def masked(self) -> Callable[[Any], Any]:
        """Masks the secrets of all services in a JSON value."""
        return masker({secret for s in self.supervisors.values() for secret in s.secrets})

    def select(self, names: Sequence[str] | None) -> list[Supervisor]:
        """The supervisors of these services, None: of all, by name; raises UnknownService naming every unknown one."""
        if names is None:
            return [self.supervisors[name] for name in sorted(self.supervisors)]
        unknown = [name for name in names if name not in self.supervisors]
        if unknown:
            raise UnknownService(_no_such(unknown, self.config.name), hint=_suggestion(unknown, self.supervisors))
        return [self.supervisors[name] for name in dict.fromkeys(names)]

    def on(self) -> list[Supervisor]:
        """The supervisors of all services but those that are off by their profiles and were never started."""
        enabled = set(self.config.enabled())
        return [s for s in self.select(None) if s.name in enabled or s.wanted or s.state is not State.STOPPED]

    def check_profiles(self, profiles: Sequence[str]) -> None:
        """Raise UnknownProfile when no service has one of these."""
        known = sorted({profile for service in self.config.services.values() for profile in service.profiles})
        for profile in profiles:
            if profile not in known and profile != "*":
                close = difflib.get_close_matches(profile, known, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"
                raise UnknownProfile(f"no service of {self.config.name!r} has the profile {profile!r}", hint=hint)

    def refuse_dependents(self, services: Sequence[str]) -> None:
        """Raise RunningDependents when something that runs needs one of these."""
        above = running_dependents(self.config, self.observed, services)
        if above:
            one = len(above) == 1
            raise RunningDependents(
                f"{', '.join(above)} depend{'s' if one else ''} on {', '.join(services)} and still run{'s' if one else ''}",
                hint="stop them too, or use --force",
            )

    def wish_to_start(self, name: str) -> Wish:
        """What to remember of a service that is started: a oneshot that completed as it is defined stays completed."""
        supervisor = self.supervisors[name]
        completed = supervisor.state is State.COMPLETED and supervisor.definition == supervisor.config.digest
        return Wish(up=True, outcome=supervisor.wish.outcome if completed else None, ports=supervisor.ports)

    def freed_by(self, doing: Mapping[str, Action]) -> frozenset[int]:
        """Ports of runs that will have ended before anything of a plan is launched."""
        ending = [
            self.supervisors[n].run
            for n, action in doing.items()
            if action in (Action.REMOVE, Action.RESTART)
            if n in self.supervisors
        ]
        return frozenset(port.outer for run in ending if run is not None for port in run.spec.ports if port.outer is not None)

    def carry_out(self, steps: Sequence[Step], by: str) -> None:
        """Give the orders that start and restart what a plan says; who takes over a port waits for the run that has it."""
        ending = [
            (supervisor, supervisor.run)
            for step in steps
            if step.action in (Action.REMOVE, Action.RESTART)
            if (supervisor := self.supervisors.get(step.service)) is not None and supervisor.run is not None
        ]
        restarting = [step.service for step in steps if step.action is Action.RESTART]
        wanted_by = graph.reverse(dependencies(self.config))
        for step in steps:
            if step.action not in (Action.START, Action.RESTART):
                continue
            supervisor = self.supervisors[step.service]
            kind = OrderKind.START if step.action is Action.START else OrderKind.RESTART
            after = [self.supervisors[n] for n in sorted(wanted_by[step.service]) if n in restarting]
            config = self.config.services[step.service]
            fixed = {port.outer or port.inner for port in config.ports} - {None}
            holders = [(s, run) for s, run in ending if s is not supervisor and fixed & {p.outer for p in run.spec.ports}]
            supervisor.order(Order(kind, by, config=config, after=after, ending=holders))

    def order_stops(self, names: Sequence[str], by: str, grace: float | None) -> list[Order]:
        """Order stops, each after its dependents among them; the orders as given."""
        # Dependents as the running configuration has them: that is what the runs were started with.
        wanted_by = graph.reverse({name: s.config.dependencies.keys() for name, s in self.supervisors.items()})
        return [
            self.supervisors[name].order(
                Order(OrderKind.STOP, by, grace=grace, after=[self.supervisors[n] for n in wanted_by[name] if n in names])
            )
            for name in names
        ]


def _on_its_way(supervisor: Supervisor) -> State:
    """The state; a start that was accepted and has not begun counts as begun, or the next request would plan past it."""
    begun = supervisor.state in ACTIVE or not (supervisor.pending and supervisor.wanted)
    return supervisor.state if begun else State.WAITING


def _no_such(unknown: Sequence[str], project: str) -> str:
    names = ", ".join(repr(name) for name in unknown)
    return f"project {project!r} has no service{'s' if len(unknown) > 1 else ''} {names}"


def _suggestion(unknown: Sequence[str], known: Iterable[str]) -> str:
    names = sorted(known)
    close = [match for name in unknown for match in difflib.get_close_matches(name, names, 1)]
    if close:
        return "did you mean " + ", ".join(repr(name) for name in dict.fromkeys(close)) + "?"
    return "its services: " + ", ".join(names[:20]) + (" …" if len(names) > 20 else "") if names else "it has no services"
