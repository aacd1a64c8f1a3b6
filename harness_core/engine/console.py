"""Console: one person's hands on one running service: commands inside, its output and input, its terminal, signals."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from harness_core.contracts.command import Command
from harness_core.contracts.errors import HarnessError, NotSupported, Unreachable
from harness_core.contracts.execution import ProcessHandle, Session
from harness_core.contracts.offer import Capability
from harness_core.engine.drivers import Drivers
from harness_core.engine.ladder import CALL_TIMEOUT
from harness_core.engine.run import Run
from harness_core.engine.signals import signal_name
from harness_core.engine.supervisor import Supervisor

OPEN_TIMEOUT = 30.0
"""Seconds until a command inside must have begun."""
_LACKING = {
    Capability.EXEC: "can't run commands inside",
    Capability.TTY: "gives no terminals",
    Capability.OUTPUT: "does not tell what its services write",
    Capability.STDIN: "can't write to a service's stdin",
    Capability.SIGNALS: "can't send signals",
}


class NotRunning(HarnessError):
    """The service has no process now; the hint says how to get one."""

    kind = "service.not-running"


@dataclass(frozen=True, slots=True)
class Attachment:
    """What an onlooker of a service works with: its present run, and what it would take from a keyboard."""

    run: Run
    stdin: bool
    tty: bool


class Console:
    """Everything here is about the present run, and refused with a reason where there is none or its executor can't do it."""

    def __init__(self, find: Callable[[str, str], Supervisor], drivers: Drivers, note: Callable[[Supervisor, str], None]) -> None:
        """`note` tells everybody who looks at a service that something was done to it."""
        self._find = find
        self._drivers = drivers
        self._note = note

    async def exec(self, project: str, service: str, command: Command) -> Session:
        """A command that runs beside the service: in its place, behind its layers, with its environment and folder.

        What the command says of these comes on top; a relative folder is one below the service's.
        """
        supervisor, run = self._running(project, service, "run a command in")
        self._must_have(supervisor, Capability.EXEC, *([Capability.TTY] if command.tty else []))
        passing = {"stdin": command.stdin and not command.tty, "tty": command.tty}
        self._must_pass(supervisor, [what for what, used in passing.items() if used])
        target = supervisor.target
        if target is None:
            raise NotRunning(f"service {service!r} is only just being started", hint=f"try again: harness status {service}")
        if command.cwd is not None and not os.path.isabs(command.cwd):
            command = replace(command, cwd=os.path.join(target.folder or run.spec.base_dir, command.cwd))
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                return await target.open(command)
        except TimeoutError:
            raise Unreachable(f"the command inside {service!r} did not begin within {OPEN_TIMEOUT:g} s") from None

    def attach(self, project: str, service: str) -> Attachment:
        """The present run, to be looked at."""
        supervisor, run = self._running(project, service, "attach to")
        self._must_have(supervisor, Capability.OUTPUT)
        return Attachment(run, stdin=self._stdin_of(supervisor, run), tty=self._tty_of(supervisor, run))

    async def write(self, project: str, service: str, data: bytes | None) -> None:
        """Feed its stdin or terminal, None ends it; returns once the bytes were taken."""
        supervisor, run = self._running(project, service, "write to")
        self._must_have(supervisor, Capability.STDIN)
        if not isinstance(run.handle, ProcessHandle) or not self._stdin_of(supervisor, run):
            raise NotSupported(f"service {service!r} has no stdin", hint="write `stdin: true` or `tty: true` in its block")
        await run.handle.write(data)

    async def resize(self, project: str, service: str, *, rows: int, columns: int) -> None:
        """Tell its terminal a new size."""
        supervisor, run = self._running(project, service, "resize")
        self._must_have(supervisor, Capability.TTY)
        if not isinstance(run.handle, ProcessHandle) or not self._tty_of(supervisor, run):
            raise NotSupported(f"service {service!r} has no terminal", hint="write `tty: true` in its block")
        async with _bounded(f"resizing the terminal of {service!r}"):
            await run.handle.resize(rows, columns)

    async def signal(self, project: str, service: str, written: str, *, by: str) -> None:
        """Send a signal, as people write it, to its main process. Should that end it, its restart policy applies as always."""
        name = signal_name(written)
        supervisor, run = self._running(project, service, "signal")
        self._must_have(supervisor, Capability.SIGNALS)
        self._must_pass(supervisor, ["signals"])
        if not isinstance(run.handle, ProcessHandle):
            raise NotSupported(f"service {service!r} is only watched: harness sends it nothing")
        # Told before it is sent: whoever reads on sees the cause before its effect.
        self._note(supervisor, f"signal {name} sent by {by}")
        async with _bounded(f"sending {name} to {service!r}"):
            await run.handle.signal(name)

    def _running(self, project: str, service: str, what: str) -> tuple[Supervisor, Run]:
        supervisor = self._find(project, service)
        if supervisor.run is None:
            raise NotRunning(
                f"service {service!r} is not running ({supervisor.state}): there is nothing to {what}",
                hint=f"harness start {service}" if not supervisor.wanted else f"harness why {service}",
            )
        return supervisor, supervisor.run

    def _must_have(self, supervisor: Supervisor, *needed: Capability) -> None:
        kind = supervisor.config.type
        for capability in needed:
            if capability not in self._drivers.capabilities(kind):
                raise NotSupported(
                    f"service {supervisor.name!r}: executor {kind!r} {_LACKING[capability]} (no {capability.name})",
                    hint="leave out -t, or say -T" if capability is Capability.TTY else None,
                )

    def _must_pass(self, supervisor: Supervisor, needed: Iterable[str]) -> None:
        written = supervisor.config.layers
        for (layer, _), config in zip(self._drivers.layers(written), written, strict=True):
            for what in needed:
                if what not in layer.passes:
                    shown = {"tty": "a terminal"}.get(what, what)
                    raise NotSupported(
                        f"service {supervisor.name!r}: layer {config.type!r} does not pass {shown} on",
                        hint={"tty": "leave out -t, or say -T", "stdin": "say --no-stdin"}.get(what),
                    )

    def _stdin_of(self, supervisor: Supervisor, run: Run) -> bool:
        command = run.spec.command
        if Capability.STDIN not in self._drivers.capabilities(supervisor.config.type):
            return False
        # Without a command of core's the executor's own config says, and its handle tells at the first write.
        return command is None or command.stdin or command.tty

    def _tty_of(self, supervisor: Supervisor, run: Run) -> bool:
        command = run.spec.command
        if Capability.TTY not in self._drivers.capabilities(supervisor.config.type):
            return False
        return command is not None and command.tty


@asynccontextmanager
async def _bounded(what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(CALL_TIMEOUT):
            yield
    except TimeoutError:
        raise Unreachable(f"{what} did not finish within {CALL_TIMEOUT:g} s") from None
