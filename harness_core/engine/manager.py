"""ServiceManager: takes requests, plans them purely, commits the intent, and gives supervisors their orders."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from harness_core.config.model import ProjectConfig, ServiceConfig
from harness_core.contracts.clock import Clock
from harness_core.contracts.errors import HarnessError
from harness_core.contracts.events import Applied, Event, Note, Progress, State
from harness_core.contracts.execution import ProcessHandle
from harness_core.contracts.offer import Change
from harness_core.contracts.registry import RegistryBackend
from harness_core.engine import boot, plugin_loans
from harness_core.engine.bus import Bus
from harness_core.engine.capture import Captures
from harness_core.engine.console import Console
from harness_core.engine.directory import concerned_by, record_of, seen_from
from harness_core.engine.drivers import Drivers
from harness_core.engine.environment import environment_of, names_of, unknown
from harness_core.engine.ladder import KILL_TIMEOUT
from harness_core.engine.logs import Logs
from harness_core.engine.orders import Order, OrderKind
from harness_core.engine.prober import bounded
from harness_core.engine.project import Project, UnknownProject
from harness_core.engine.states import LIVE
from harness_core.engine.status import detailed_status_of, status_of
from harness_core.engine.store import Store, Wish
from harness_core.engine.supervisor import Supervisor
from harness_core.engine.waiting import outcome, until_reached, until_stopped
from harness_core.engine.why import why
from harness_core.engine.world import World
from harness_core.keeper import Client
from harness_core.plan import Action, Step, plan_apply, plan_start, plan_stop
from harness_core.plugins import Catalog

T = TypeVar("T")

LONGEST_LAST_LINE = 400
"""Characters of a line that are quoted beside a failure; the whole of it is in the logs."""
SETTLE_TIMEOUT = 2.0
"""Seconds that the first answer waits at most for the news of what ended meanwhile."""
STOP_SLACK = 10.0
"""Seconds beyond the grace periods and the KILL for which a stop is waited for."""


class ServiceManager:
    """All projects of one daemon."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        registry: RegistryBackend,
        state_dir: Path,
        clock: Clock,
        log: logging.Logger,
        trouble: str | None = None,
    ) -> None:
        """`trouble`: what is wrong already, for `degraded`."""
        self._clock = clock
        self._log = log
        self._loans = plugin_loans.PluginLoans(state_dir=state_dir, clock=clock, log=log, report=self._report)
        self._store = Store(registry, log)
        self._drivers = Drivers(catalog, self._loans.context)
        self._captures = Captures(state_dir / "output", log)
        self._projects: dict[str, Project] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lives: dict[Supervisor, asyncio.Task[None]] = {}
        self._touched: dict[str, float] = {}
        self._troubles = [trouble] if trouble else []
        self.logs = Logs(lambda project, names: self._project(project).select(names))
        self.console = Console(lambda project, name: self._project(project).select([name])[0], self._drivers, self._tell)
        self.bus = Bus(clock)
        self._world = self._make_world()

    # --- boot and end ----------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Adopt everything that runs; only then anything is started."""
        remembered = await self._store.load()
        events = await self._store.events()
        self.bus = Bus(self._clock, last_seq=events[-1]["seq"] if events else 0)
        self.bus.restore(events)
        self.bus.listeners.append(self._remember)
        self._world = self._make_world()
        recovered = await boot.recover_all(remembered, self._drivers, self._clock, self._log)
        recovered.forget_ended_of_strangers(remembered.projects, self._store)
        traces = [finding.trace for findings in recovered.findings.values() for finding in findings]
        orphans = boot.orphan_projects(remembered.projects, traces)
        if orphans:
            recovered.troubles.append(
                f"adopted {sum(len(p.services) for p in orphans.values())} services without their configuration; "
                "`harness up` in their folders brings it back"
            )
        self._troubles += recovered.troubles
        for config in [*remembered.projects.values(), *orphans.values()]:
            project = Project(config, {})
            self._projects[config.id] = project
            for name, service in config.services.items():
                wish = remembered.wishes.get((config.id, name), Wish(up=config.id in orphans))
                project.supervisors[name] = Supervisor(config.id, service, world=self._world, wish=wish)
        await self._restore(recovered, boot.restarts_in(events))
        self._own(self._store.flush_for_ever())
        supervisors = [s for project in self._projects.values() for s in project.supervisors.values()]
        for supervisor in supervisors:
            self._animate(supervisor)
        # Whoever asks first is told how a service ended meanwhile, and not that it still runs.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_TIMEOUT):
                await asyncio.gather(*(supervisor.settled() for supervisor in supervisors))

    async def aclose(self) -> None:
        """Let go of everything; services run on, and a keeper that has nothing to keep ends."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(HarnessError):
            await self._store.flush()
        await self._loans.end_keeper()
        await self._captures.aclose()
        await self._drivers.aclose()
        await self._loans.aclose()

    # --- what can be asked -----------------------------------------------------------------------------------------

    @property
    def epoch(self) -> str:
        """Changes with every start of the daemon."""
        return self.bus.epoch

    @property
    def degraded(self) -> str | None:
        """What is wrong with the daemon's memory; None when all is well."""
        troubles = [t for t in (*self._troubles, self._store.trouble, *self._loans.broken) if t]
        return "; ".join(troubles) or None

    @property
    def secrets(self) -> set[str]:
        """The secrets of all projects: what must not be written down."""
        return {secret for p in self._projects.values() for s in p.config.services.values() for secret in s.secrets}

    @property
    def idle(self) -> bool:
        """Whether nothing is wished, nothing runs and nothing is attached."""
        return not any(s.wanted or s.state in LIVE or s.busy for p in self._projects.values() for s in p.supervisors.values())

    def projects(self) -> list[dict[str, Any]]:
        """Each project in a line."""
        return [
            {
                "id": project.id,
                "name": project.config.name,
                "path": project.config.path,
                "wanted": sum(s.wanted for s in project.supervisors.values()),
                "running": sum(s.state in LIVE for s in project.supervisors.values()),
                "services": len(project.supervisors),
            }
            for project in sorted(self._projects.values(), key=lambda p: p.id)
        ]

    async def status(self, project: str, services: Sequence[str] | None, *, detailed: bool) -> dict[str, Any]:
        """How services are; None: all but those that are off by their profiles and were never started."""
        found = self._project(project)
        supervisors = found.on() if services is None else found.select(services)
        if detailed:
            described = await asyncio.gather(*map(detailed_status_of, supervisors))
        else:
            described = [status_of(supervisor) for supervisor in supervisors]
        return {
            "project": found.id,
            "name": found.config.name,
            "path": found.config.path,
            "degraded": self.degraded,
            "services": list(described),
        }

    async def why(self, project: str, service: str) -> dict[str, Any]:
        """Why a service is as it is."""
        found = self._project(project)
        supervisor = found.select([service])[0]
        events = self.bus.recent(project=project, services=[service], limit=50)
        # What a run said before it failed explains more than what the one after it says.
        lines = await self._last_lines(supervisor, 10, all_runs=True)
        answer: dict[str, Any] = found.masked(why(supervisor, events, lines, now=self._clock.now()))
        return answer

    async def health(self, project: str, services: Sequence[str] | None) -> dict[str, Any]:
        """Probe now, without effect on state."""
        supervisors = self._project(project).select(services)
        return {"services": list(await asyncio.gather(*map(self._probe, supervisors)))}

    def registry(self, project: str | None, services: Sequence[str] | None) -> list[dict[str, Any]]:
        """What runs where and how it is reached; `project` None: of all projects."""
        projects = [self._project(project)] if project is not None else sorted(self._projects.values(), key=lambda p: p.id)
        return [record_of(supervisor) for found in projects for supervisor in found.select(services)]

    def registry_after(self, items: Iterable[Mapping[str, Any]], project: str | None) -> list[dict[str, Any]]:
        """What it says now of all that items of the bus are about; what is no more is left out."""
        concerned = dict.fromkeys(concerned_by(item, project) for item in items)
        return [
            record_of(supervisor)
            for project, service in concerned
            for found in (self._projects.values() if project is None else filter(None, [self._projects.get(project)]))
            for name, supervisor in sorted(found.supervisors.items())
            if service in (None, name)
        ]

    def resolve(self, project: str, service: str, *, viewer: str | None, endpoint: str | None) -> dict[str, Any]:
        """How a service is reached by another one, None: from this machine."""
        found = self._project(project)
        target = found.select([service])[0]
        return seen_from(found.select([viewer])[0] if viewer is not None else None, target, endpoint)

    async def environment(self, project: str, services: Sequence[str] | None, names: Sequence[str] | None) -> dict[str, Any]:
        """The variables of services, masked; `names` None: all of them."""
        found = self._project(project)
        supervisors, hide = found.select(services), found.masked
        has = {supervisor: names_of(supervisor) for supervisor in supervisors}
        known = {name for one in has.values() for name in one}
        if missing := [name for name in names or () if name not in known]:
            raise unknown(missing, supervisors, sorted(known))
        answers = []
        for supervisor in supervisors:
            picked = [name for name in has[supervisor] if names is None or name in names]
            variables = environment_of(supervisor, picked, hide)
            answers.append({"service": supervisor.name, "state": str(supervisor.state), "variables": variables})
            await asyncio.sleep(0)  # a thousand of them take longer than others should wait
        return {"project": found.id, "services": answers}

    def config(self, project: str) -> ProjectConfig:
        """The applied configuration."""
        return self._project(project).config

    def plan(self, config: ProjectConfig, *, services: Sequence[str] | None) -> dict[str, Any]:
        """What applying a configuration would do; without any effect."""
        return _plan_to_json(config, self._plan_apply(config, services, start=True))

    async def keeper_stats(self) -> dict[str, Any]:
        """The local keeper's own figures; `pid` None when there is none."""
        keeper = self._loans.connected_keeper
        if keeper is None:
            return {"pid": None}
        return asdict(await keeper.keeper_stats())

    @property
    def keeper(self) -> Client | None:
        """The local keeper, if one was needed so far."""
        return self._loans.connected_keeper

    def bound_to_us(self) -> list[tuple[str, str]]:
        """(project, service) of what runs and would end with this daemon: its executor can't find it again."""
        recoverable = set(self._drivers.recoverable())
        return [
            (project.config.name, s.name)
            for project in self._projects.values()
            for s in project.supervisors.values()
            if s.state in LIVE and s.run is not None and isinstance(s.run.handle, ProcessHandle)
            if s.config.type not in recoverable
        ]

    # --- what can be told ------------------------------------------------------------------------------------------

    async def start(
        self,
        project: str,
        services: Sequence[str] | None,
        *,
        profiles: Sequence[str] = (),
        wait: bool,
        timeout: float | None,
        by: str,
    ) -> dict[str, Any]:
        """Start services and what they depend on; None: all that run with the profiles applied and these."""
        found = self._project(project)
        found.select(services)
        found.check_profiles(profiles)

        async def accept() -> tuple[Step, ...]:
            async with self._acting(found, f"start asked by {by}"):
                steps = plan_start(found.config, found.observed, services, profiles=profiles)
                starting = [step.service for step in steps if step.action is Action.START]
                await self._prepare(found, [found.supervisors[name] for name in starting], frozenset())
                await self._store.save_wishes(found.id, {name: found.wish_to_start(name) for name in _names(steps)})
                for step in steps:
                    supervisor = found.supervisors[step.service]
                    supervisor.wanted = True
                    if step.action is Action.START or supervisor.state is State.BACKOFF:
                        supervisor.order(Order(OrderKind.START, by))
                return steps

        steps = await self._accepted(accept())
        return await self._reached(found, steps, wait=wait, timeout=timeout)

    async def stop(
        self,
        project: str,
        services: Sequence[str] | None,
        *,
        force: bool,
        down: bool,
        kill: bool,
        wait: bool,
        timeout: float | None,
        by: str,
    ) -> dict[str, Any]:
        """Stop services, dependents first."""
        found = self._project(project)
        selected = found.select(services)
        if services is not None and not force:
            found.refuse_dependents(services)
        found.preparation.cut()

        async def accept() -> tuple[tuple[Step, ...], list[Order]]:
            async with self._acting(found, f"stop asked by {by}"):
                steps = plan_stop(found.config, found.observed, services)
                wishes = {s.name: Wish(up=False, outcome=None if down else s.wish.outcome, ports=s.ports) for s in selected}
                await self._store.save_wishes(found.id, wishes)
                orders = found.order_stops([s.service for s in steps if s.action is Action.STOP or down], by, timeout)
                for supervisor in selected:
                    supervisor.wanted = False
                    if kill:
                        supervisor.kill_now()
                return steps, orders

        steps, orders = await self._accepted(accept())
        timed_out = False
        if wait or down:
            patience = sum(_grace(s, timeout) for s in selected) + KILL_TIMEOUT + STOP_SLACK
            timed_out = await until_stopped([order.done for order in orders], timeout=patience)
        already = {step.service for step in steps if step.action is Action.KEEP}
        result = await outcome(
            selected, clock=self._clock, already=already, timed_out=timed_out, tail=self._last_lines, stopping=True,
            waited=wait or down,
        )  # fmt: skip
        if down and services is None and result["reached"]:
            await self._accepted(self._forget(found))
        return result

    async def restart(
        self, project: str, services: Sequence[str] | None, *, wait: bool, timeout: float | None, by: str
    ) -> dict[str, Any]:
        """Stop and start services; dependents stay, and what they depend on is started where it is not."""
        found = self._project(project)
        names = {supervisor.name for supervisor in (found.on() if services is None else found.select(services))}

        async def accept() -> tuple[Step, ...]:
            async with self._acting(found, f"restart asked by {by}"):
                planned = plan_start(found.config, found.observed, sorted(names))
                steps = tuple(Step(s.service, Action.RESTART, "asked to restart") if s.service in names else s for s in planned)
                concerned = [s.service for s in steps if s.action is not Action.KEEP]
                await self._prepare(found, [found.supervisors[name] for name in concerned], frozenset())
                wishes = {name: Wish(up=True, ports=found.supervisors[name].ports) for name in concerned}
                await self._store.save_wishes(found.id, wishes)
                found.carry_out(steps, by)
                return steps

        steps = await self._accepted(accept())
        return await self._reached(found, steps, wait=wait, timeout=timeout)

    async def apply(
        self,
        config: ProjectConfig,
        *,
        services: Sequence[str] | None,
        start: bool,
        wait: bool,
        timeout: float | None,
        by: str,
    ) -> dict[str, Any]:
        """Make a configuration the project's own, touching exactly what changed."""
        Project(config, dict.fromkeys(config.services)).select(services)  # type: ignore[arg-type]  # only the names count
        found = self._projects.get(config.id)
        if found is None:
            found = self._projects[config.id] = Project(config, {})

        async def accept() -> tuple[tuple[Step, ...], list[Order]]:
            async with self._acting(found, f"apply asked by {by}"):
                try:
                    return await self._apply(found, config, services, start=start, by=by)
                finally:
                    if not found.supervisors:
                        self._projects.pop(config.id, None)

        steps, removals = await self._accepted(accept())
        plan = _plan_to_json(config, steps)
        result = await self._reached(found, steps, wait=wait, timeout=timeout, orders=removals)
        return {**result, "project": config.id, "name": config.name, "plan": plan}

    # --- parts -----------------------------------------------------------------------------------------------------

    async def _apply(
        self, found: Project, config: ProjectConfig, services: Sequence[str] | None, *, start: bool, by: str
    ) -> tuple[tuple[Step, ...], list[Order]]:
        steps = self._plan_apply(config, services, start=start)
        doing = {step.service: step.action for step in steps}
        fresh = {
            name: Supervisor(config.id, service, world=self._world, wish=Wish())
            for name, service in config.services.items()
            if name not in found.supervisors
        }
        await self._prepare(found, self._scratch(found, fresh, config, doing), found.freed_by(doing))
        wishes = {}
        for name in config.services:
            known = found.supervisors.get(name)
            wish = known.wish if known else Wish()
            up = wish.up or doing[name] in (Action.START, Action.RESTART)
            if doing[name] is Action.KEEP and known and start and known.state is State.COMPLETED:
                up = True
            outcome = wish.outcome if doing[name] is Action.KEEP else None
            wishes[name] = Wish(up=up, outcome=outcome, ports=wish.ports)
        await self._store.save_project(config, wishes)
        found.supervisors.update(fresh)
        removed = [name for name, action in doing.items() if action is Action.REMOVE]
        removals = found.order_stops(removed, by, None)
        for name, service in config.services.items():
            supervisor = found.supervisors[name]
            supervisor.wanted = wishes[name].up
            if doing[name] is not Action.RESTART:
                supervisor.reconfigure(service)
        found.config = config
        for supervisor in fresh.values():
            self._animate(supervisor)
        self._announce(found, doing, fresh, by)
        found.carry_out(steps, by)
        if removals:
            self._own(self._remove(found, removed, removals))
        return steps, removals

    def _plan_apply(self, config: ProjectConfig, services: Sequence[str] | None, *, start: bool) -> tuple[Step, ...]:
        found = self._projects.get(config.id)
        wanted = (config.enabled() if services is None else services) if start else None
        return plan_apply(found.config if found else None, config, found.observed if found else {}, wanted)

    def _scratch(
        self, found: Project, fresh: Mapping[str, Supervisor], config: ProjectConfig, doing: Mapping[str, Action]
    ) -> list[Supervisor]:
        """Supervisors that stand for what will be started, to prepare it before anything is touched."""
        scratch = []
        for name, action in doing.items():
            if action not in (Action.START, Action.RESTART):
                continue
            known = found.supervisors.get(name)
            stand_in = fresh.get(name) or Supervisor(config.id, config.services[name], world=self._world, wish=Wish())
            if known is not None:
                stand_in.run, stand_in.ports = known.run, known.ports
            scratch.append(stand_in)
        return scratch

    def _announce(self, found: Project, doing: Mapping[str, Action], fresh: Iterable[str], by: str) -> None:
        changed = tuple(sorted(name for name, action in doing.items() if action is Action.RESTART))
        removed = tuple(sorted(name for name, action in doing.items() if action is Action.REMOVE))
        self.bus.publish(Applied, project=found.id, by=by, added=tuple(sorted(fresh)), changed=changed, removed=removed)

    async def _remove(self, found: Project, names: Sequence[str], orders: Sequence[Order]) -> None:
        for name, order in zip(names, orders, strict=True):
            await order.done.wait()
            supervisor = found.supervisors[name]
            changed = asyncio.Event()
            with supervisor.watched_by(changed):
                while supervisor.state in LIVE and name not in found.config.services:
                    changed.clear()  # it can't be stopped yet: it stays visible until it can
                    await changed.wait()
            async with found.lock:
                if name in found.config.services:
                    continue  # it came back meanwhile
                await self._end(supervisor)
                del found.supervisors[name]
                await self._store.forget_services(found.id, [name])

    async def _forget(self, found: Project) -> None:
        async with found.lock:
            if any(s.wanted or s.busy or s.state in LIVE for s in found.supervisors.values()):
                return  # somebody started something meanwhile
            await asyncio.gather(*(self._end(supervisor) for supervisor in found.supervisors.values()))
            await self._store.forget_project(found.id)
            self._projects.pop(found.id, None)

    def _animate(self, supervisor: Supervisor) -> None:
        self._lives[supervisor] = self._own(supervisor.live())

    async def _end(self, supervisor: Supervisor) -> None:
        """Nobody needs this supervisor any more: its life ends, and nothing of its runs is kept."""
        life = self._lives.pop(supervisor, None)
        if life is not None:
            life.cancel()
            await asyncio.wait({life})
        await supervisor.dispose()

    async def _prepare(self, found: Project, supervisors: Sequence[Supervisor], freed: frozenset[int]) -> None:
        try:
            await found.preparation.run(supervisors, freed=freed, touched=lambda run: self._touched.get(run, 0.0), log=self._log)
        finally:
            if not any(project.acting for project in self._projects.values() if project is not found):
                self._touched.clear()

    async def _reached(
        self, found: Project, steps: Sequence[Step], *, wait: bool, timeout: float | None, orders: Sequence[Order] = ()
    ) -> dict[str, Any]:
        concerned = [
            found.supervisors[step.service]
            for step in steps
            if step.service in found.supervisors and step.action is not Action.REMOVE
            if found.supervisors[step.service].wanted
        ]
        timed_out = False
        if wait:
            timed_out = await until_reached(concerned, clock=self._clock, timeout=timeout)
            if not timed_out and orders:
                timed_out = await until_stopped([order.done for order in orders], timeout=timeout or 3600.0)
        already = {step.service for step in steps if step.action is Action.KEEP}
        return await outcome(
            concerned, clock=self._clock, already=already, timed_out=timed_out, tail=self._last_lines, waited=wait
        )

    async def _probe(self, supervisor: Supervisor) -> dict[str, Any]:
        config = supervisor.config.health_check
        answer: dict[str, Any] = {
            "name": supervisor.name,
            "check": config.check if config else None,
            "healthy": None,
            "detail": "",
            "seconds": 0.0,
        }
        target = supervisor.target
        if config is None or target is None:
            return {**answer, "detail": "no health check" if config is None else f"is {supervisor.state}"}
        began = self._clock.monotonic()
        health = await bounded(lambda: supervisor.probe_with(target), config.timeout)
        seconds = round(self._clock.monotonic() - began, 6)
        return {**answer, "healthy": health.healthy, "detail": supervisor.masked(health.detail), "seconds": seconds}

    async def _last_lines(self, supervisor: Supervisor, count: int, *, all_runs: bool = False) -> list[str]:
        try:
            async with asyncio.timeout(5.0):
                lines = await self.logs.last_lines(supervisor, count, all_runs=all_runs)
        except (HarnessError, TimeoutError) as error:
            return [f"(its output can't be read: {error})"]
        return [_shortened(supervisor.masked(line)) for line in lines]

    async def _restore(self, recovered: boot.Recovered, restarts: Mapping[tuple[str, str], int]) -> None:
        for key, findings in recovered.findings.items():
            project = self._projects[key[0]]
            supervisor = project.supervisors.get(key[1])
            if supervisor is None:
                supervisor = self._adopt_removed(project, findings[-1].trace)
            await supervisor.adopt(findings)
        for project in self._projects.values():
            for supervisor in project.supervisors.values():
                supervisor.restarts = restarts.get((project.id, supervisor.name), 0)
                supervisor.restore()

    def _adopt_removed(self, project: Project, trace: boot.Trace) -> Supervisor:
        """A supervisor for a run whose service the configuration no longer has: its removal was cut short by a crash."""
        from harness_core.config.model import service_from_json

        config: ServiceConfig = service_from_json(trace.service, boot.adopted_block(trace))
        supervisor = Supervisor(project.id, config, world=self._world, wish=Wish())
        project.supervisors[trace.service] = supervisor
        order = supervisor.order(Order(OrderKind.STOP, "recovery"))
        self._own(self._remove(project, [trace.service], [order]))
        return supervisor

    @contextlib.asynccontextmanager
    async def _acting(self, found: Project, what: str) -> AsyncIterator[None]:
        if found.lock.locked() and found.acting:
            self.bus.publish(Progress, project=found.id, detail=f"{what} waits: {found.acting} is in progress")
        async with found.lock:
            found.acting = what
            try:
                yield
            finally:
                found.acting = None

    async def _accepted(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work that goes on even when whoever asked for it goes away."""
        return await asyncio.shield(self._own(work))

    def _own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _project(self, id: str) -> Project:
        found = self._projects.get(id)
        if found is None:
            raise UnknownProject(f"the daemon knows no project {id!r}", hint="harness up makes it known")
        return found

    def _make_world(self) -> World:
        return World(
            bus=self.bus,
            store=self._store,
            drivers=self._drivers,
            clock=self._clock,
            log=self._log,
            captures=self._captures,
            peer=lambda project, service: p.supervisors.get(service) if (p := self._projects.get(project)) else None,
        )

    def _remember(self, event: Event, body: dict[str, Any]) -> None:
        self._store.append_later(event.seq, body)

    def _tell(self, supervisor: Supervisor, detail: str) -> None:
        run = supervisor.run
        self.bus.publish(Note, project=supervisor.project, service=supervisor.name, run=run.id if run else None, detail=detail)

    def _report(self, run: str, change: Change) -> None:
        self._touched[run] = self._clock.monotonic()
        supervisor = self._world.by_run.get(run)
        if supervisor is not None:
            supervisor.report(change)


def _plan_to_json(config: ProjectConfig, steps: Sequence[Step]) -> dict[str, Any]:
    return {
        "project": config.id,
        "name": config.name,
        "steps": [{"service": s.service, "action": str(s.action), "reason": s.reason} for s in steps],
        "changes": any(step.action is not Action.KEEP for step in steps),
        "off": [step.service for step in steps if step.off],
        "problems": [],
    }


def _grace(supervisor: Supervisor, timeout: float | None) -> float:
    return supervisor.config.stop.timeout if timeout is None else timeout


def _shortened(line: str) -> str:
    return line if len(line) <= LONGEST_LAST_LINE else line[:LONGEST_LAST_LINE] + f"… ({len(line)} characters)"


def _names(steps: Iterable[Step]) -> list[str]:
    return [step.service for step in steps]
