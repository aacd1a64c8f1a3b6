"""ExecutorBench: a launcher with a context, programs to launch, and an end at which nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness_core.contracts.command import Command
from harness_core.contracts.errors import Unreachable
from harness_core.contracts.execution import AttachedHandle, Launcher, ProcessHandle
from harness_core.contracts.offer import Capability
from harness_core.contracts.output import Output, OutputQuery
from harness_core.contracts.run import HandleState, LaunchSpec
from harness_core.testing.context import FakeContext
from harness_core.testing.kit.case import not_proved
from harness_core.testing.kit.offer import OfferContract


class ExecutorBench:
    """What each case of an executor works with. Made by `ExecutorPlaces.bench`."""

    def __init__(self, create: Callable[[FakeContext], Launcher], context: FakeContext, *, recovers: bool) -> None:
        self.launcher = create(context)
        self.context = context
        self._create = create
        self._recovers = recovers
        self._first_context = context
        self._specs: dict[str, LaunchSpec] = {}
        self._handles: dict[str, ProcessHandle] = {}

    async def launch(self, spec: LaunchSpec) -> ProcessHandle:
        """Prepare and launch, as core does; whatever comes of it is cleared away at the end."""
        self._specs[spec.run] = spec
        await self.launcher.prepare(spec)
        self._handles[spec.run] = handle = await self.launcher.launch(spec)
        return handle

    def note(self, spec: LaunchSpec) -> None:
        """Clear this run away at the end, too."""
        self._specs[spec.run] = spec

    async def succeed(self) -> Launcher:
        """A new executor object with a new context, as after the death of a daemon; the old one is closed first."""
        await self.launcher.aclose()
        if self.context is not self._first_context:
            await self.context.aclose()
        self.context = self._first_context.successor()
        self.launcher = self._create(self.context)
        return self.launcher

    async def clear(self, spec: LaunchSpec) -> None:
        """What core does after a launch that failed: look for the run, kill it, dispose of it."""
        # Without RECOVER only the handle that launch gave knows the run.
        handle = await self.launcher.recover(spec, None) if self._recovers else self._handles.pop(spec.run, None)
        if handle is not None:
            await handle.kill()
            await handle.wait()
            await handle.dispose()

    async def aclose(self) -> None:
        """Nothing of this case is left anywhere."""
        try:
            for spec in self._specs.values():
                await self.clear(spec)
        finally:
            await self.launcher.aclose()
            if self.context is not self._first_context:
                await self.context.aclose()
            await self._first_context.aclose()


class ExecutorPlaces(OfferContract):
    """What an author may override where a place differs from this machine."""

    clock_skew: float = 2.0
    """seconds by which the clock of the place may differ from ours"""

    # What to run

    def environment(self) -> Mapping[str, str]:
        """The environment of the programs that the kit runs."""
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

    def command(self, script: str, *arguments: str) -> Command:
        """A command that runs a POSIX shell script at the place; `arguments` become $1, $2, …"""
        return Command(("sh", "-c", script, "sh", *arguments), env=self.environment())

    def spec(self, command: Command | None = None, **fields: Any) -> LaunchSpec:
        """A spec of a new run, with the config under test."""
        given: dict[str, Any] = {
            "project": "kit",
            "service": "service",
            "run": f"kit-{secrets.token_hex(6)}",
            "config": self.config,
            "command": command,
            "env": command.env if command else self.environment(),
        }
        return LaunchSpec(**{**given, **fields})

    def shell(self, script: str, *arguments: str, **fields: Any) -> LaunchSpec:
        """A spec that runs a POSIX shell script with $1, $2, …; `fields` are of LaunchSpec, or cwd, stdin, tty of Command.

        Without COMMAND core says nothing about what to run: override this, if your config can hold a script.
        """
        self._needs_command("shell")
        changes = {key: fields.pop(key) for key in ("cwd", "env", "stdin", "tty") if key in fields}
        return self.spec(replace(self.command(script, *arguments), **changes), **fields)

    def running(self, mark: str = "kit") -> LaunchSpec:
        """A program that runs until it is told to end, with `mark` among its arguments."""
        return self.shell("while :; do sleep 0.2; done", mark)

    def exiting(self, code: int) -> LaunchSpec:
        """A program that ends at once with this code."""
        return self.shell(f"exit {code}")

    def printing(self, lines: Sequence[str], *, running: bool = False) -> LaunchSpec:
        """A program that prints these lines to stdout, then ends with 0 or runs on."""
        then = "while :; do sleep 0.2; done" if running else "exit 0"
        return self.shell(f'for line; do printf "%s\\n" "$line"; done; {then}', *lines)

    # What is left

    async def living(self, mark: str) -> Sequence[str]:
        """The processes of the place that have `mark` among their arguments. Default: of this machine."""
        return processes_with(mark)

    # The link to the place

    async def break_link(self, bench: ExecutorBench) -> None:
        """Make the place unreachable for the launcher of this bench."""
        not_proved("no `break_link`: nothing was shown about a lost link")

    async def mend_link(self, bench: ExecutorBench) -> None:
        """Make the place reachable again."""

    # What the cases use

    def create_context(self) -> FakeContext:
        """The context that the offer is created with."""
        return FakeContext()

    def create(self, context: FakeContext) -> Launcher:
        """A launcher, made from the offer."""
        launcher: Launcher = self.offer.create(context)
        return launcher

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[ExecutorBench]:
        """A fresh bench; at its end nothing of it is left."""
        context = self.create_context()
        bench = ExecutorBench(self.create, context, recovers=Capability.RECOVER in self.offer.capabilities)
        try:
            yield bench
        finally:
            await bench.aclose()

    def _needs_command(self, method: str) -> None:
        if Capability.COMMAND not in self.offer.capabilities:
            not_proved(f"'{self.offer.name}' declares no COMMAND and the test class overrides no `{method}`")


def processes_with(mark: str) -> list[str]:
    """The live processes of this machine with `mark` among their arguments; a zombie counts as gone."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with suppress(OSError):  # ended while we looked
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if mark.encode() in arguments and state != "Z":
                found.append(f"pid {folder.name}: {b' '.join(arguments).decode(errors='replace')}")
    return found


def new_mark() -> str:
    """An argument that no other process of this machine has."""
    return f"kit-mark-{secrets.token_hex(8)}"


async def until(condition: Callable[[], Awaitable[Any]], *, within: float = 10.0, what: str = "the condition") -> None:
    """Return as soon as a condition holds; fail when it does not within a bound."""
    try:
        async with asyncio.timeout(within):
            while not await condition():  # noqa: ASYNC110 - what is waited for is outside of this process
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {within:g} s") from None


async def output_of(handle: AttachedHandle, query: OutputQuery | None = None) -> list[Output]:
    """The chunks of output that a query gives; without one, everything until the run's end."""
    return [chunk async for chunk in handle.output(query or OutputQuery(follow=True))]


def joined(chunks: Sequence[Output]) -> bytes:
    """The bytes of all chunks."""
    return b"".join(chunk.data for chunk in chunks)


async def printed(handle: AttachedHandle, text: bytes) -> None:
    """Return as soon as a run has printed `text`."""
    seen = b""
    async for chunk in handle.output(OutputQuery(follow=True)):
        seen += chunk.data
        if text in seen:
            return
    raise AssertionError(f"the run ended without printing {text!r}; it printed {seen[-2000:]!r}")


def through_json(state: HandleState) -> HandleState:
    """A state as it comes back from a registry."""
    return HandleState(state.version, json.loads(json.dumps(state.data)))


async def ended(handle: ProcessHandle) -> bool:
    """Whether the run has ended by now."""
    with suppress(TimeoutError, Unreachable):
        async with asyncio.timeout(0.05):
            await handle.wait()
            return True
    return False
