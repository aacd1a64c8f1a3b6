"""Starter: gets one service from its configuration to a run, and cleans up after a launch that came to nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness_core.config.model import ServiceConfig
from harness_core.contracts.command import Command
from harness_core.contracts.errors import HarnessError, LaunchFailed, NotFound, PortTaken, Unreachable
from harness_core.contracts.execution import Attacher, Launcher, ProcessHandle
from harness_core.contracts.offer import Capability
from harness_core.contracts.place import Endpoint, Place, Port
from harness_core.contracts.run import LaunchSpec
from harness_core.engine import ladder, resolve
from harness_core.engine.launching import build_command, build_spec, innermost_place, new_run_id, wrap_in
from harness_core.engine.ports import holder_of
from harness_core.engine.run import Run
from harness_core.engine.world import World
from harness_core.template import Reference, references, render

if TYPE_CHECKING:
    from harness_core.engine.supervisor import Supervisor  # this is a part of Supervisor, in a file of its own

ATTACH_PAUSE = 0.5
"""Seconds between looks for what is to be attached to."""
DISPOSE_TIMEOUT = 10.0
PREPARE_IDLE = 60.0
"""Seconds without any reported progress after which a preparation is cut."""


_NOT_PASSED = {
    "signals": "layer '{layer}' does not pass signals on, so a stop could not reach the service",
    "stdin": "layer '{layer}' does not pass stdin on, which `stdin: true` asks for",
    "tty": "layer '{layer}' does not pass a terminal on, which `tty: true` asks for",
}
_NOT_PASSED_HINT = "leave the layer or the key out"


@dataclass(frozen=True, slots=True)
class Startable:
    """A spec that only needs launching, and the executor that will do it."""

    executor: Launcher | Attacher
    spec: LaunchSpec


class Starter:
    """The launching half of one supervisor."""

    __slots__ = ("_constant", "_freed", "_supervisor", "_tasks", "_world")

    def __init__(self, supervisor: Supervisor, world: World) -> None:
        self._supervisor = supervisor
        self._world = world
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed: frozenset[int] = frozenset()
        self._constant: tuple[ServiceConfig, LaunchSpec] | None = None
        """the spec of a configuration that depends on nothing but itself, so that each run's is the same but for its name"""

    def missing(self) -> str | None:
        """Why a plugin that this service needs can't be used; None when all are there."""
        config = self._supervisor.config
        try:
            self._world.drivers.executor(config.type)
            self._world.drivers.layers(config.layers)
            if config.health_check:
                self._world.drivers.check(config.health_check.check)
        except HarnessError as error:
            return error.message + (f" ({error.hint})" if error.hint else "")
        return None

    async def prepare(self, *, touched: Callable[[str], float], freed: frozenset[int]) -> None:
        """Do what is slow before anything is stopped or started; cut when nothing was reported for a minute.

        `touched(run)` is when progress was last reported; `freed` are ports that will be free by then.
        """
        executor = self._world.drivers.executor(self._supervisor.config.type)
        if not isinstance(executor, Launcher):
            return
        self._refuse_layers()
        self._freed = freed
        try:
            spec = await self._spec(executor, new_run_id(self._world.clock.now()), lenient=True)
        finally:
            self._freed = frozenset()
        # So that what it reports is told to those who watch.
        self._world.by_run[spec.run] = self._supervisor
        work = asyncio.ensure_future(executor.prepare(spec))
        began = self._world.clock.monotonic()
        try:
            while not work.done():
                left = max(began, touched(spec.run)) + PREPARE_IDLE - self._world.clock.monotonic()
                if left <= 0:
                    raise LaunchFailed(f"preparing it did nothing for {PREPARE_IDLE:g} s and was cut")
                await asyncio.wait({work}, timeout=left)
            work.result()
        finally:
            self._world.by_run.pop(spec.run, None)
            if not work.done():
                work.cancel()
                await asyncio.wait({work})

    async def ready(self) -> Startable:
        """All that can be settled before a launch: ports are picked, references have values."""
        executor = self._world.drivers.executor(self._supervisor.config.type)
        self._refuse_layers()
        run = new_run_id(self._world.clock.now())
        return Startable(executor, await self._spec(executor, run, lenient=False))

    async def launch(self, startable: Startable) -> Run:
        """The run, as soon as its main process exists; launches are throttled over all services."""
        spec = startable.spec
        if isinstance(startable.executor, Attacher):
            handle = await self._attach(startable.executor, spec)
        else:
            async with self._world.launches:
                handle = await startable.executor.launch(spec)
        clock = self._world.clock
        return Run(spec.run, handle, spec, clock.now(), clock.monotonic())

    async def clear(self, startable: Startable | None) -> None:
        """Leave nothing of a launch that failed, was cut or cancelled; raises Unreachable when that can't be known now."""
        if startable is None or not isinstance(startable.executor, Launcher):
            return
        try:
            async with asyncio.timeout(ladder.CALL_TIMEOUT):
                handle = await startable.executor.recover(startable.spec, None)
        except TimeoutError as error:
            raise Unreachable(f"asking for run {startable.spec.run} did not finish within {ladder.CALL_TIMEOUT:g} s") from error
        except Unreachable:
            raise
        except Exception as error:
            # A plugin that can't say what it launched: nothing more can be done; `survey` finds it at the next start.
            self._world.log.warning("clearing run %s: %s", startable.spec.run, error)
            return
        if handle is None:
            return
        survivors = await ladder.clear(handle)
        if survivors:
            raise Unreachable(f"what was launched can't be killed: {', '.join(survivors)}")
        try:
            async with asyncio.timeout(DISPOSE_TIMEOUT):
                await handle.dispose()
        except (HarnessError, TimeoutError) as error:
            self._world.log.warning("disposing run %s: %s", startable.spec.run, error)

    def wrap(self, command: Command) -> Command:
        """The command inside the service's layers."""
        return wrap_in(self._layers(), command)

    def base_command(self) -> Command | None:
        """The innermost command: its environment and folder are those of commands that run inside."""
        config = self._supervisor.config
        if config.command is None:
            return None
        try:
            return build_command(config, env=self.render(config.env), resolve=self._value)
        except HarnessError:
            return None

    def render(self, value: Any) -> Any:
        """A value of the configuration as this service sees it now."""
        return render(value, self._value)

    def own_ports(self) -> tuple[Port, ...]:
        """The ports of the present run; without one those that are known already, `auto` ones as they were chosen last."""
        supervisor = self._supervisor
        if supervisor.run is not None:
            return supervisor.run.spec.ports
        known = [(port, port.inner or supervisor.ports.get(port.name)) for port in supervisor.config.ports]
        return tuple(Port(port.name, inner, port.outer, port.protocol) for port, inner in known if inner is not None)

    def published(self, spec: LaunchSpec) -> tuple[Endpoint, ...]:
        """The endpoints that the ports of a spec imply."""
        return resolve.published(spec.ports, self.place())

    def place(self) -> Place:
        """Where the service stands."""
        config = self._supervisor.config
        place = self._world.drivers.executor(config.type).place(config.config)
        return innermost_place(place, self._world.drivers.layers(config.layers))

    def dispose_old(self, runs: list[Run]) -> None:
        """Free what finished runs hold, but for the newest `logs.keep_runs`."""
        finished = [run for run in runs if run.exit is not None or run is not self._supervisor.run]
        keep = self._supervisor.config.logs.keep_runs
        for run in finished[: max(0, len(finished) - keep)]:
            runs.remove(run)
            self.own(asyncio.get_running_loop().create_task(self._dispose(run)))

    async def dispose_all(self, runs: list[Run]) -> None:
        """Free what every finished run holds, and the ports that were chosen for this service."""
        while runs:
            await self._dispose(runs.pop(0))
        me = (self._supervisor.project, self._supervisor.name)
        for port in [port for port, owner in self._world.ports.items() if owner == me]:
            del self._world.ports[port]

    def own(self, task: asyncio.Task[None]) -> None:
        """Keep a side task alive until it ends."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _dispose(self, run: Run) -> None:
        if isinstance(run.handle, ProcessHandle):
            try:
                async with asyncio.timeout(DISPOSE_TIMEOUT):
                    await run.handle.dispose()
            except (HarnessError, TimeoutError) as error:
                self._world.log.warning("disposing run %s: %s", run.id, error)
        if run.capture is not None:
            await self._world.captures.dispose(run.capture)
        self._world.store.forget_run_later(run.id)

    async def _attach(self, attacher: Attacher, spec: LaunchSpec) -> Any:
        while True:
            try:
                return await attacher.attach(spec)
            except NotFound as error:
                # Polled until `startup_timeout`, which the supervisor keeps.
                self._supervisor.reason = error.message
                await asyncio.sleep(ATTACH_PAUSE)

    async def _spec(self, executor: Launcher | Attacher, run: str, *, lenient: bool) -> LaunchSpec:
        config = self._supervisor.config
        if self._constant is not None and self._constant[0] is config:
            return replace(self._constant[1], run=run)
        bare = LaunchSpec(self._supervisor.project, config.name, run, config=config.config, base_dir=config.base_dir)
        ports = await self._pick_ports(executor, bare)
        builds_command = Capability.COMMAND in self._world.drivers.capabilities(config.type)

        refers = False

        def value(reference: Reference) -> str:
            nonlocal refers
            refers = True
            try:
                return self._value(reference, ports=ports)
            except HarnessError:
                if lenient:
                    return "0"  # only for `prepare`, which starts nothing: what it refers to is not up yet
                raise

        spec = build_spec(
            config,
            project=self._supervisor.project,
            run=run,
            ports=ports,
            resolve=value,
            wrap=self.wrap if builds_command else None,
        )
        # Layers may do as they like, and are asked each time.
        self._constant = None if refers or config.ports or config.layers else (config, spec)
        return spec

    def _refuse_layers(self) -> None:
        """Raise LaunchFailed when a layer does not let through what this service needs."""
        config = self._supervisor.config
        if config.command is None or Capability.COMMAND not in self._world.drivers.capabilities(config.type):
            return
        needed = {"signals": True, "stdin": config.command.stdin, "tty": config.command.tty}
        for (layer, _), written in zip(self._world.drivers.layers(config.layers), config.layers, strict=True):
            for what, used in needed.items():
                if used and what not in layer.passes:
                    raise LaunchFailed(_NOT_PASSED[what].format(layer=written.type), hint=_NOT_PASSED_HINT, transient=False)

    def _layers(self) -> list[tuple[Any, Any]]:
        made = self._world.drivers.layers(self._supervisor.config.layers)
        return [(layer, self.render(config) if _refers(config) else config) for layer, config in made]

    def _value(self, reference: Reference, ports: tuple[Port, ...] | None = None) -> str:
        supervisor = self._supervisor
        if reference.service == supervisor.name:
            return resolve.own_value(reference, ports if ports is not None else self.own_ports())
        peer = self._world.peer(supervisor.project, reference.service)
        if peer is None:
            raise resolve.Unresolved(f"{reference}: there is no service {reference.service!r}")
        if peer.run is None and not peer.endpoints:
            raise resolve.not_running(reference, peer.state)
        return resolve.value(reference, peer.endpoints, self.place())

    async def _pick_ports(self, executor: Launcher | Attacher, spec: LaunchSpec) -> tuple[Port, ...]:
        picked = []
        place = executor.place(spec.config)
        for port in self._supervisor.config.ports:
            outer = port.outer
            if isinstance(executor, Attacher):
                outer = outer or port.inner
            elif port.inner is None or (outer is None and place.network is not None):
                outer = await self._pick_auto(executor, spec, port.name)
            else:
                outer = await self._pick_fixed(executor, spec, outer or port.inner, place)
            picked.append(Port(port.name, port.inner or outer or 0, outer, port.protocol))
        return tuple(picked)

    async def _pick_fixed(self, executor: Launcher, spec: LaunchSpec, wanted: int, place: Place) -> int | None:
        run = self._supervisor.run
        if wanted in self._freed or (run is not None and any(port.outer == wanted for port in run.spec.ports)):
            return wanted  # held by a run that will have ended by then
        try:
            return await executor.pick_port(spec, wanted)
        except PortTaken as error:
            holder = error.holder or (await asyncio.to_thread(holder_of, wanted) if place.host == "local" else None)
            raise PortTaken(
                wanted, holder=holder, hint="stop what holds it, or use another port (`port: auto` picks one)"
            ) from None

    async def _pick_auto(self, executor: Launcher, spec: LaunchSpec, name: str) -> int | None:
        me = (self._supervisor.project, self._supervisor.name)
        remembered = self._supervisor.ports.get(name)
        run = self._supervisor.run
        if remembered is not None and run is not None and any(port.outer == remembered for port in run.spec.ports):
            return remembered
        for wanted in (remembered, None, None, None, None):
            if wanted is not None and self._world.ports.get(wanted, me) != me:
                continue
            try:
                port = await executor.pick_port(spec, wanted)
            except PortTaken:
                continue
            if port is None or self._world.ports.setdefault(port, me) == me:
                if port is not None and port != remembered:
                    self._supervisor.ports[name] = port
                    self._world.store.save_wish_later(*me, self._supervisor.wish)
                return port
        raise PortTaken(remembered or 0, holder="other services", hint="no free port was found in five attempts")


def _refers(value: Any) -> bool:
    return next(references(value), None) is not None
