"""Supervisor: the life of one service, as one task that reads from top to bottom.

Outside calls only leave an `Order` and read the `view`. Whatever the task waits for, an order interrupts it; it then
obeys and goes on living.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from harness_core.config.model import ServiceConfig, StopConfig
from harness_core.contracts.command import Command
from harness_core.contracts.errors import HarnessError, LaunchFailed, Unreachable
from harness_core.contracts.events import (
    EndpointsChanged,
    Exited,
    HealthChanged,
    HealthState,
    Killed,
    Note,
    Progress,
    RestartScheduled,
    Started,
    State,
    StateChanged,
    StopRequested,
)
from harness_core.contracts.execution import ProcessHandle
from harness_core.contracts.health import Health
from harness_core.contracts.offer import Capability, Change, ChangeKind
from harness_core.contracts.place import Place, Port
from harness_core.contracts.run import Exit, spec_to_json
from harness_core.engine import ladder
from harness_core.engine.boot import Finding, find_again, made_up
from harness_core.engine.orders import Interrupted, Order, OrderKind, Sick
from harness_core.engine.prober import Probe, Prober
from harness_core.engine.restart import Failures, Next, decide, describe, retry
from harness_core.engine.run import Run
from harness_core.engine.standing import Standing, url_of
from harness_core.engine.starting import Startable, Starter
from harness_core.engine.states import LIVE
from harness_core.engine.store import Outcome, RunRecord, Wish
from harness_core.engine.target import ServiceTarget
from harness_core.engine.view import Gate, gate
from harness_core.engine.world import World

T = TypeVar("T")

STUCK_PAUSE = 5.0
"""Seconds between attempts to kill what could not be killed, and to ask a place that could not be asked."""
BEYOND_REACH = frozenset({State.UNREACHABLE, State.STOP_STUCK})
"""States of a run that nothing can be done about now."""


class Supervisor(Standing):
    """Runs one service as its configuration and the orders say."""

    __slots__ = (
        "_ending", "_failures", "_killing", "_lost", "_poke", "_prober", "_reachable", "_sick", "_starter", "_stopping",
        "_target",
    )  # fmt: skip

    def __init__(self, project: str, config: ServiceConfig, *, world: World, wish: Wish) -> None:
        super().__init__(project, config, world=world, wish=wish)
        self._starter = Starter(self, world)
        self._poke = asyncio.Event()
        self._killing: asyncio.Event | None = None
        self._failures = Failures()
        self._reachable = True
        self._stopping = False
        self._sick: Sick | None = None
        self._prober: Prober | None = None
        self._target: ServiceTarget | None = None
        self._lost: Finding | None = None
        self._ending: Sequence[tuple[Supervisor, Run]] = ()

    # --- what others see -------------------------------------------------------------------------------------------

    def reconfigure(self, config: ServiceConfig) -> None:
        """Go on by another configuration of the same definition; what watches the present run begins anew if it must."""
        self.config = config
        self._target = None
        self._poke.set()
        self._changed()

    @property
    def place(self) -> Place | None:
        """Where the service stands; None while a plugin that it needs is missing."""
        return self._starter.place() if self._starter.missing() is None else None

    @property
    def known_ports(self) -> tuple[Port, ...]:
        """The ports that it listens on, as far as they are known before it runs."""
        return self._starter.own_ports()

    def rendered(self, template: str) -> str:
        """A template of its configuration as this service sees it now; raises Unresolved."""
        return str(self._starter.render(template))

    @property
    def probes(self) -> list[Probe]:
        """The last probes of the present or last run."""
        return list(self._prober.probes) if self._prober else []

    @property
    def target(self) -> ServiceTarget | None:
        """What a probe may touch, while there is a run."""
        if self.run is None:
            return None
        if self._target is None:
            self._target = self._make_target(self.run)  # made when it is first asked for: most are never probed
        return self._target

    async def prepare(self, *, touched: Callable[[str], float], freed: frozenset[int]) -> None:
        """Do what is slow before anything is stopped or started; nothing when a plugin is missing, which is told later."""
        if self._starter.missing() is None:
            await self._starter.prepare(touched=touched, freed=freed)

    async def probe_with(self, target: ServiceTarget) -> Health:
        """What the service's check finds now."""
        config = self.config.health_check
        assert config is not None
        return await self._world.drivers.check(config.check).probe(self._starter.render(config.config), target)

    async def dispose(self) -> None:
        """Free what finished runs still hold."""
        await self._starter.dispose_all(self.runs)

    # --- orders ----------------------------------------------------------------------------------------------------

    def order(self, order: Order) -> Order:
        """Leave an order; it is carried out as soon as the ones before it are."""
        if self.acting and order.kind is not OrderKind.STOP:
            self._publish(Progress, detail=f"{order.kind} waits: {self.acting} is in progress")
        self.wanted = order.kind is not OrderKind.STOP
        self._outcome = None
        self._orders.append(order)
        self._poke.set()
        self._changed()
        return order

    def kill_now(self) -> None:
        """Go straight to KILL in the stop that is going on or comes next."""
        self._kill_now.set()
        self._poke.set()
        self._changed()

    @property
    def _kill_now(self) -> asyncio.Event:
        """Set when the stop that is going on or comes next is to go straight to KILL."""
        if self._killing is None:
            self._killing = asyncio.Event()
        return self._killing

    def report(self, change: Change) -> None:
        """Take in what a plugin noticed about the present run."""
        match change.kind:
            case ChangeKind.UNREACHABLE:
                self._reachable = False
                if self.state in (State.RUNNING, State.UNHEALTHY):
                    self._move(State.UNREACHABLE, self.masked(change.detail) or "the link is lost")
                self._poke.set()
            case ChangeKind.REACHABLE:
                self._reachable = True
                if self.state is State.UNREACHABLE and self.run is not None and not self._stopping:
                    sick = self.health is HealthState.UNHEALTHY
                    self._move(State.UNHEALTHY if sick else State.RUNNING, "reachable again")
                self._poke.set()
            case ChangeKind.ENDPOINTS:
                self._poke_endpoints()
            case ChangeKind.PROGRESS:
                self._publish(Progress, detail=self.masked(change.detail))
            case _:
                self.notes = (*self.notes[-9:], self.masked(change.detail))
                self._publish(Note, detail=self.masked(change.detail))

    # --- the life --------------------------------------------------------------------------------------------------

    async def adopt(self, findings: Sequence[Finding]) -> None:
        """Take in what was found of this service's runs at the daemon's start, oldest first."""
        for finding in findings:
            newest = finding is findings[-1]
            if finding.run is None:
                if newest and finding.trace.exit is None:
                    self._lost = finding
                elif finding.unreachable is None:
                    self._world.store.forget_run_later(finding.trace.run)
                continue
            if newest and finding.run.exit is None:
                self._hold(finding.run)
                continue
            if finding.run.exit is None and isinstance(finding.run.handle, ProcessHandle):
                # An older run without a recorded exit: whether it lives or not, only the newest may.
                try:
                    await ladder.clear(finding.run.handle)
                except Unreachable as error:
                    self._world.log.warning("clearing run %s: %s", finding.run.id, error)
                    continue
                finding.run.exit = await ladder.exit_soon(finding.run.handle)
            self._list(finding.run)
            if newest and self._outcome is None and self.config.oneshot and finding.run.exit and finding.run.exit.succeeded:
                # The daemon died between the record of the exit and that of what it means.
                self._outcome = Outcome(str(State.COMPLETED), "completed", finding.run.exit, self.definition_of(finding.run))

    def restore(self) -> None:
        """Set the state that a daemon finds at its start; a run that is not as wished gets its orders."""
        missing = self._starter.missing()
        if self.run is not None:
            self.state = State.STARTING
            self._set_right()
        elif self._lost is not None and self._lost.unreachable is not None and not missing:
            self.state, self.reason = State.UNREACHABLE, self._lost.unreachable
        elif missing and self.wanted:
            self.state, self.reason = State.DRIVER_MISSING, missing
        elif self._outcome is not None:
            self.state, self.reason, self.exit = State(self._outcome.state), self._outcome.reason, self._outcome.exit
        else:
            self._due = self.wanted

    async def settled(self) -> None:
        """Return once it is told what became of a run that ended while nobody looked; at once when it lives."""
        run = self.run
        if run is None or not await ladder.has_ended(run.handle):
            return
        changed = asyncio.Event()
        with self.watched_by(changed):
            while self.run is run:
                changed.clear()
                await changed.wait()

    async def live(self) -> None:
        """Live until cancelled; a cancel lets go of the run and never stops it."""
        while True:
            try:
                if self._lost is not None:
                    await self._find_again(self._lost)
                elif self._orders:
                    await self._obey(self._orders.pop(0))
                elif self.run is None:
                    if not self._due:
                        await self._race(self._until_due())
                    await self._begin()
                elif self._sick is not None:
                    await self._end_sick_run(self.run, self._sick)
                else:
                    await self._follow(await self._watch(self.run))
            except Interrupted:
                continue
            except Sick as sick:
                self._sick = sick
            except Exception as error:
                # A bug of ours or of a plugin must not silently end the care for this service.
                self._world.log.exception("supervisor of %s/%s", self.project, self.name)
                await self._give_up(error)

    async def _find_again(self, lost: Finding) -> None:
        """Settle what became of a run that the last daemon launched: it is gone for certain, or its place is asked again."""
        while lost.unreachable is not None and self.state is State.UNREACHABLE:
            # No second copy is started, and nothing is stopped, as long as nobody knows.
            self._excuse_stops()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STUCK_PAUSE):
                    await self._poke.wait()
            self._poke.clear()
            lost = await find_again(lost.trace, self._world.drivers, self._world.clock, self._world.log)
        self._lost = None
        if lost.run is not None:
            self._hold(lost.run)
            self._set_right()
            return
        if lost.unreachable is not None:
            return  # its plugin is missing: the record is kept for the day it is back
        self._world.store.forget_run_later(lost.trace.run)
        if self.state is State.UNREACHABLE and not self.wanted:
            self._move(State.STOPPED, "it is gone from its place")
        elif self.wanted and self.state in (State.STOPPED, State.UNREACHABLE):
            await self._follow_lost(lost)

    def _set_right(self) -> None:
        """Order what the daemon before us had accepted and not yet done when it died."""
        if not self.wanted:
            self.order(Order(OrderKind.STOP, "recovery"))
        elif self.definition != self.config.digest and not made_up(self.config):
            self.order(Order(OrderKind.RESTART, "recovery"))

    def _excuse_stops(self) -> None:
        """Tell those who wait for a stop that it can only be delivered later; the intent is durable."""
        for order in self._orders:
            if order.kind is OrderKind.STOP:
                order.done.set()

    async def _follow_lost(self, lost: Finding) -> None:
        self._due = False
        exit = Exit(reason="lost", at=self._world.clock.now())
        self.exit = exit
        if self.state is State.STOPPED:
            self.state = State.STARTING  # as the daemon before us had it: it ran
        self._publish(Exited, run=lost.trace.run, exit=exit)
        self._move(State.LOST, describe(exit))
        now = self._world.clock.monotonic()
        await self._follow(
            decide(self.config.restart, oneshot=self.config.oneshot, exit=exit, ran_for=0.0, now=now, failures=self._failures)
        )

    async def _until_due(self) -> None:
        while not self._due:
            await self._poke.wait()
            self._poke.clear()

    async def _begin(self) -> None:
        """A run, once the dependencies allow; or an outcome that says why not."""
        self._killing = None
        missing = self._starter.missing()
        if missing:
            self._move(State.DRIVER_MISSING, missing)
            return
        if self.config.dependencies or self._ending:
            await self._race(self._dependencies_met())
        self.exit = None
        self._move(State.STARTING)
        began = self._world.clock.monotonic()
        try:
            run = await self._launch()
        except LaunchFailed as error:
            await self._follow(self._after_failed_launch(error, began))
            return
        self._hold(run)
        self._publish(Started, ref=run.handle.ref)

    async def _launch(self) -> Run:
        startable: Startable | None = None
        try:
            async with asyncio.timeout(self.config.startup_timeout):
                getting_ready = self._starter.ready()
                # Only to pick a port takes time, which an order may cut short.
                startable = await (self._race(getting_ready, launching=True) if self.config.ports else getting_ready)
                return await self._race(self._starter.launch(startable), launching=True)
        except TimeoutError:
            told = f": {self.reason}" if self.reason else ""
            await self._clear(startable)
            raise LaunchFailed(f"did not launch within {self.config.startup_timeout:g} s{told}", transient=False) from None
        except (LaunchFailed, Interrupted):
            await self._clear(startable)
            raise
        except HarnessError as error:
            await self._clear(startable)
            # A place that can't be asked now may be asked again; any other refusal is final.
            raise LaunchFailed(error.message, hint=error.hint, transient=isinstance(error, Unreachable)) from error
        except Exception as error:
            await self._clear(startable)
            self._world.log.exception("launch of %s/%s", self.project, self.name)
            raise LaunchFailed(f"executor {self.config.type!r} crashed: {error!r}") from error

    async def _clear(self, startable: Startable | None) -> None:
        """Leave nothing of a launch that came to nothing; until its place answers, no second copy is started."""
        while True:
            try:
                await self._starter.clear(startable)
                return
            except Unreachable as error:
                self._move(State.UNREACHABLE, self.masked(f"whether its launch left anything can't be asked: {error}"))
                self._excuse_stops()
                await self._until_reachable()

    def _after_failed_launch(self, error: LaunchFailed, began: float) -> Next:
        reason = self.masked(error.message + (f" ({error.hint})" if error.hint else ""))
        now = self._world.clock.monotonic()
        if not error.transient or decide_never(self.config):
            return Next(State.FAILED, reason)
        return retry(self.config.restart, reason=reason, ran_for=now - began, now=now, failures=self._failures)

    def _hold(self, run: Run) -> None:
        self.run = run
        self._list(run)
        self._world.by_run[run.id] = self
        self._reachable = True
        self._stopping = False
        self._sick = None
        self._target = None
        self.endpoints = self._starter.published(run.spec)
        if isinstance(run.handle, ProcessHandle):
            state = run.handle.state()
            record = RunRecord(
                self.project, self.name, run.id, self.config.type, spec_to_json(run.spec), state, run.started_at.isoformat()
            )
            self._world.store.save_run_later(record)

    def _list(self, run: Run) -> None:
        """Keep a run for those who read its output; core stores that itself where the executor does not."""
        capabilities = self._world.drivers.capabilities(self.config.type)
        if Capability.OUTPUT in capabilities and Capability.DURABLE_OUTPUT not in capabilities:
            run.capture = self._world.captures.of(run.handle, run.spec)
        self.runs.append(run)

    async def _watch(self, run: Run) -> Next:
        """What follows the run, once it ended; raises Interrupted or Sick while it still lives."""
        # A check that starts with the run must not see the verdict of the run before.
        self._set_health(HealthState.STARTING if self.config.health_check else HealthState.NONE, "")
        await self._read_endpoints(run)
        if self.state is not State.RUNNING:
            self._move(State.RUNNING, "adopted" if run.recovered else "")
        if not self._reachable:
            self._move(State.UNREACHABLE, "the link is lost")
        async with asyncio.TaskGroup() as tasks:
            ended = tasks.create_task(self._exit_of(run))
            ended.add_done_callback(lambda _: self._poke.set())
            probing = tasks.create_task(self._probe()) if self.config.health_check else None
            # A task group would wrap what its body raises, so what happened is carried out as a value.
            happened: Exit | Interrupted | Sick
            try:
                happened = await self._until_ended(run, ended)
            except (Interrupted, Sick) as news:
                happened = news
            finally:
                ended.cancel()
                if probing is not None:
                    probing.cancel()
        if not isinstance(happened, Exit):
            raise happened
        return await self._ended(run, happened)

    async def _until_ended(self, run: Run, ended: asyncio.Task[Exit]) -> Exit:
        deadline = None
        watched = self.config.health_check
        if watched and not run.recovered:
            deadline = run.since + self.config.startup_timeout
        while not ended.done():
            while self._orders and self._orders[0].kind is OrderKind.START:
                # It runs: whoever asked has what was asked for, and the probes go on.
                self._obey_start(self._orders.pop(0))
            if self._orders or self.config.health_check != watched:
                raise Interrupted
            if self._sick:
                raise self._sick
            if deadline is not None and not self._reachable:
                # Nobody can tell whether it became healthy: it gets its time anew when it can be asked.
                deadline = self._world.clock.monotonic() + self.config.startup_timeout
            if self.health is not HealthState.STARTING and self.health is not HealthState.UNHEALTHY:
                deadline = None
            left = None if deadline is None else deadline - self._world.clock.monotonic()
            if left is not None and left <= 0:
                probe = self._prober.probes[-1].detail if self._prober and self._prober.probes else "no probe ended"
                raise Sick(f"not healthy within {self.config.startup_timeout:g} s; last probe: {self.masked(probe)}", final=True)
            self._poke.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._poke.wait()
        return ended.result()

    async def _exit_of(self, run: Run) -> Exit:
        try:
            return await run.handle.wait()
        except Exception as error:
            # `wait` may not raise; when a plugin breaks that, nothing is known about the run any more.
            self._world.log.exception("wait of %s/%s run %s", self.project, self.name, run.id)
            return Exit(reason=f"lost: {error}", at=self._world.clock.now())

    async def _ended(self, run: Run, exit: Exit) -> Next:
        """Record the end of a run that ended by itself, clear what it left, and decide what follows."""
        now = self._world.clock.monotonic()
        survivors: tuple[str, ...] = ()
        if run.capture is not None:
            await run.capture.settled()
        if isinstance(run.handle, ProcessHandle):
            left = await ladder.count_processes(run.handle)
            try:
                survivors = await ladder.clear(run.handle)
            except Unreachable as error:
                # Its end is known; what it may have left is found by the next survey.
                self._publish(Note, detail=self.masked(f"whether it left processes behind can't be asked: {error}"))
            if left or survivors:
                self._publish(Killed, reason="its main process ended and left others behind", survivors=survivors)
        else:
            await self._detach(run)
        self._let_go(run, exit, intended=False)
        if survivors:
            return Next(State.STOP_STUCK, "still alive after KILL: " + ", ".join(survivors))
        if not isinstance(run.handle, ProcessHandle):
            return Next(State.BACKOFF, f"{describe(exit)}; looking for it again", 0.5)
        if exit.reason == "lost":
            self._move(State.LOST, describe(exit))
        return decide(
            self.config.restart,
            oneshot=self.config.oneshot,
            exit=exit,
            ran_for=now - run.since,
            now=now,
            failures=self._failures,
        )

    async def _follow(self, following: Next) -> None:
        """Carry out a decision: pause and be due again, or settle in a state that only an order changes."""
        if following.state is State.BACKOFF:
            self._failures = following.failures
            self._publish(RestartScheduled, delay=following.delay, attempt=following.failures.attempt, reason=following.reason)
            self._move(State.BACKOFF, following.reason)
            await self._race(asyncio.sleep(following.delay))
            self.restarts += 1
            self._due = True
            return
        if following.state is State.STOP_STUCK:
            await self._until_unstuck(following.reason)
            following = Next(State.FAILED, following.reason)
        # Stored before it is told: whoever hears `completed` may rely on it after a crash.
        self._outcome = Outcome(str(following.state), following.reason, self.exit, self.config.digest)
        self._world.store.save_wish_later(self.project, self.name, self.wish)
        self._move(following.state, following.reason)

    async def _give_up(self, error: Exception) -> None:
        run = self.run
        if run is not None:
            if isinstance(run.handle, ProcessHandle):
                try:
                    await ladder.clear(run.handle)
                except HarnessError as trouble:
                    self._world.log.error("clearing run %s: %s", run.id, trouble)
            self._let_go(run, Exit(reason="lost"), intended=False)
        self._due, self._stopping = False, False
        old, self.state = self.state, State.FAILED
        self.reason = self.masked(f"internal error: {error!r}; see `harness daemon logs`")
        self.state_since = self._world.clock.now()
        self._publish(StateChanged, old=old, new=self.state, reason=self.reason)
        self._changed()

    # --- orders, carried out ---------------------------------------------------------------------------------------

    def _obey_start(self, order: Order) -> None:
        self.by = order.by
        self._failures = Failures()
        self.restarts = 0
        if order.config is not None and self.run is None:
            self.config = order.config
        self._ending = order.ending
        self._due = self.run is None
        order.done.set()

    async def _obey(self, order: Order) -> None:
        if order.kind is OrderKind.START:
            self._obey_start(order)
            return
        self.by = order.by
        self._failures = Failures()
        self.restarts = 0
        self._obeying = order
        self._due = False
        try:
            await self._after_dependents(order)
            if self.run is not None:
                await self._stop_run(self.run, order)
            if self.state is not State.STOPPED:
                self._move(State.STOPPED, f"asked by {order.by}")
            if order.config is not None:
                self.config = order.config
            self._ending = order.ending
            self.exit = None if order.kind is OrderKind.RESTART else self.exit
            self._due = order.kind is OrderKind.RESTART and not self._orders
        finally:
            self._obeying = None
            order.done.set()
            self._changed()

    async def _after_dependents(self, order: Order) -> None:
        if not order.after or self.run is None:
            return
        changed = asyncio.Event()
        with contextlib.ExitStack() as stack:
            for peer in order.after:
                stack.enter_context(peer.watched_by(changed))
            stack.enter_context(self.watched_by(changed))
            # What can't be stopped now must not hold up the rest.
            while not self._kill_now.is_set() and any(
                p is not self and p.state in LIVE and p.state not in BEYOND_REACH for p in order.after
            ):
                changed.clear()
                await changed.wait()

    async def _stop_run(self, run: Run, order: Order) -> None:
        if not isinstance(run.handle, ProcessHandle):
            await self._detach(run)
            self._let_go(run, None, intended=True)
            return
        self._stopping = True
        grace = self.config.stop.timeout if order.grace is None else order.grace
        self._publish(StopRequested, by=order.by, signal=self.config.stop.signal, grace=grace)
        self._move(State.STOPPING, f"asked by {order.by}")
        while True:
            try:
                ended = await ladder.descend(
                    run.handle, self._stop_config(), grace=grace, kill_now=self._kill_now, run_inside=self._runner_inside(run)
                )
                break
            except Unreachable as error:
                # The intent is durable: the stop is delivered when the place can be asked again.
                self._move(State.UNREACHABLE, self.masked(f"can't be stopped now: {error}"))
                order.done.set()
                self._excuse_stops()
                await self._until_reachable()
                self._move(State.STOPPING, f"asked by {order.by}")
        for note in ended.notes:
            self._publish(Note, detail=self.masked(note))
        if ended.killed:
            self._publish(Killed, reason=ended.killed, survivors=ended.survivors)
        if ended.survivors:
            order.done.set()
            await self._until_unstuck("still alive after KILL: " + ", ".join(ended.survivors))
            ended = replace(ended, exit=await ladder.exit_soon(run.handle))
        if run.capture is not None:
            await run.capture.settled()
        self._let_go(run, ended.exit, intended=True)

    def _stop_config(self) -> StopConfig:
        """How to stop it, with what its command refers to as it stands now; without one that can't be told."""
        stop = self.config.stop
        try:
            return replace(stop, command=tuple(self._starter.render(list(stop.command)))) if stop.command else stop
        except HarnessError as error:
            self._publish(Note, detail=self.masked(f"its stop command was not run: {error}"))
            return replace(stop, command=None)

    async def _end_sick_run(self, run: Run, sick: Sick) -> None:
        order = Order(OrderKind.RESTART, by="health check")
        if isinstance(run.handle, ProcessHandle):
            await self._stop_run(run, order)
        else:
            await self._detach(run)
            self._let_go(run, None, intended=True)
        now = self._world.clock.monotonic()
        if sick.final or decide_never(self.config):
            following = Next(State.FAILED, sick.reason)
        else:
            following = retry(self.config.restart, reason=sick.reason, ran_for=now - run.since, now=now, failures=self._failures)
        await self._follow(following)

    async def _until_unstuck(self, reason: str) -> None:
        self._move(State.STOP_STUCK, reason)
        for run in [r for r in self.runs if isinstance(r.handle, ProcessHandle)][-1:]:
            assert isinstance(run.handle, ProcessHandle)
            while await self._still_there(run.handle):
                self._excuse_stops()
                await asyncio.sleep(STUCK_PAUSE)

    async def _still_there(self, handle: ProcessHandle) -> bool:
        try:
            return bool(await ladder.clear(handle))
        except Unreachable:
            return True

    async def _detach(self, run: Run) -> None:
        try:
            async with asyncio.timeout(ladder.CALL_TIMEOUT):
                await run.handle.detach()
        except (HarnessError, TimeoutError) as error:
            self._world.log.warning("detaching from run %s: %s", run.id, error)

    async def _until_reachable(self) -> None:
        self._reachable = False
        while not self._reachable:
            self._poke.clear()
            with contextlib.suppress(TimeoutError):
                # A place that never reports itself back is asked again now and then.
                async with asyncio.timeout(STUCK_PAUSE):
                    await self._poke.wait()
                continue
            return

    # --- parts -----------------------------------------------------------------------------------------------------

    async def _dependencies_met(self) -> None:
        changed = asyncio.Event()
        with contextlib.ExitStack() as stack:
            for name in self.config.dependencies:
                peer = self._world.peer(self.project, name)
                if peer is not None:
                    stack.enter_context(peer.watched_by(changed))
            for ending, _ in self._ending:
                stack.enter_context(ending.watched_by(changed))
            while True:
                changed.clear()
                stopper = self._gate()
                if stopper.blocked:
                    self._move(State.BLOCKED, self.masked(stopper.blocked))
                elif stopper.waiting:
                    self._move(State.WAITING, self.masked(stopper.waiting))
                else:
                    return
                await changed.wait()

    def _gate(self) -> Gate:
        holders = [s.name for s, run in self._ending if s.run is run and s.state not in BEYOND_REACH]
        if holders:
            return Gate(waiting=f"waiting for {', '.join(holders)} to end, whose port it takes over")
        peers = {}
        for name in self.config.dependencies:
            peer = self._world.peer(self.project, name)
            if peer is not None:
                peers[name] = peer.view
        return gate(self.config.dependencies, peers)

    async def _probe(self) -> None:
        config, self._target = self.config.health_check, None
        target = self.target
        if config is None or target is None:
            return
        try:
            check = self._world.drivers.check(config.check)
            rendered = self._starter.render(config.config)
        except Exception as error:
            # Ours to report, not a reason to end what runs.
            self._world.log.exception("health check of %s/%s", self.project, self.name)
            self._on_verdict(HealthState.UNHEALTHY, str(error))
            return
        self._prober = Prober(
            lambda: check.probe(rendered, target),
            config,
            clock=self._world.clock,
            gate=self._world.probes,
            on_verdict=self._on_verdict,
        )
        await self._prober.probe_for_ever()

    def _make_target(self, run: Run) -> ServiceTarget:
        return ServiceTarget(
            run,
            base=self._starter.base_command(),
            wrap=self._starter.wrap,
            endpoints=self.endpoints,
        )

    def _runner_inside(self, run: Run) -> Callable[[Command], Awaitable[Any]] | None:
        if Capability.EXEC not in self._world.drivers.capabilities(self.config.type):
            return None
        return self._make_target(run).exec

    def _on_verdict(self, health: HealthState, detail: str) -> None:
        if not self._reachable:
            return
        if health is not self.health:
            self._set_health(health, detail)
            if health is HealthState.UNHEALTHY and self.state is State.RUNNING:
                self._move(State.UNHEALTHY, self.masked(detail))
            elif health is HealthState.HEALTHY and self.state is State.UNHEALTHY:
                self._move(State.RUNNING, "healthy again")
            check = self.config.health_check
            if health is HealthState.UNHEALTHY and check and check.restart_on_failure:
                self._sick = Sick(f"unhealthy: {self.masked(detail)}", final=False)
        elif health is not HealthState.HEALTHY and (told := self.masked(detail)) != self.reason:
            self.reason = told
            self._changed()  # who waits for it shows this as what it waits for
        self._poke.set()

    def _set_health(self, health: HealthState, detail: str) -> None:
        if health is self.health:
            return
        old, self.health = self.health, health
        if health is HealthState.HEALTHY:
            self.reason = ""
        elif detail:
            self.reason = self.masked(detail)
        self._publish(HealthChanged, old=old, new=health, detail=self.masked(detail))
        self._changed()

    async def _read_endpoints(self, run: Run) -> None:
        try:
            async with asyncio.timeout(ladder.CALL_TIMEOUT):
                told = tuple(await run.handle.endpoints())
        except (HarnessError, TimeoutError):
            told = ()
        found = told or self._starter.published(run.spec)
        if found != self.endpoints or found:
            self.endpoints = found
            self._publish(EndpointsChanged, endpoints={e.name: url_of(e) for e in found if e.addresses})

    def _poke_endpoints(self) -> None:
        run = self.run
        if run is not None:
            task = asyncio.get_running_loop().create_task(self._read_endpoints(run))
            self._starter.own(task)

    def _let_go(self, run: Run, exit: Exit | None, *, intended: bool) -> None:
        """The run is over: record it, and free what older runs still hold."""
        if exit is not None and exit.at is None:
            exit = Exit(exit.code, exit.signal, exit.reason, self._world.clock.now())
        run.exit = exit
        self.exit = exit
        self.run = None
        self._target = None
        self._sick = None
        self._stopping = False
        self.endpoints = ()
        self._world.by_run.pop(run.id, None)
        if exit is not None:
            self._publish(Exited, run=run.id, exit=exit, intended=intended)
        self._set_health(HealthState.NONE, "")
        if isinstance(run.handle, ProcessHandle):
            self._world.store.save_run_later(
                RunRecord(
                    self.project,
                    self.name,
                    run.id,
                    self.config.type,
                    spec_to_json(run.spec),
                    run.handle.state(),
                    run.started_at.isoformat(),
                    exit,
                )
            )
        self._starter.dispose_old(self.runs)

    async def _race(self, awaitable: Awaitable[T], *, launching: bool = False) -> T:
        """What the awaitable gives, or Interrupted as soon as there is an order; it is then cancelled and has settled.

        An order to start does not cut a launch: that is what it asks for.
        """
        task = asyncio.ensure_future(awaitable)
        task.add_done_callback(lambda _: self._poke.set())
        try:
            while not task.done():
                if any(not launching or order.kind is not OrderKind.START for order in self._orders):
                    raise Interrupted
                self._poke.clear()
                await self._poke.wait()
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # nobody may be left to hear it: a timeout or an order came first


def decide_never(config: ServiceConfig) -> bool:
    """Whether the policy forbids any restart."""
    return config.restart.when.value == "no"
