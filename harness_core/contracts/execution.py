"""Launcher, Attacher and their handles: what an executor author writes.

Policy is core's (when to stop, how long to wait, whether to restart); mechanism is yours. Core bounds every call in time
except `wait`, followed output and `prepare`.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Any

from harness_core.contracts.command import Command
from harness_core.contracts.errors import NotSupported, PortTaken
from harness_core.contracts.output import Output, OutputQuery
from harness_core.contracts.place import Endpoint, Place
from harness_core.contracts.run import Exit, Found, HandleState, LaunchSpec, Stats


class Session(ABC):
    """A command that runs inside a service's place, started by `exec`."""

    @abstractmethod
    def output(self) -> AsyncIterator[Output]:
        """What it writes, until its end."""

    @abstractmethod
    async def write(self, data: bytes | None) -> None:
        """Feed its stdin or terminal; None ends it. Returns once the bytes were taken: core does not bound that in time."""

    @abstractmethod
    async def resize(self, rows: int, columns: int) -> None:
        """Tell its terminal the new size; without a terminal this does nothing."""

    @abstractmethod
    async def signal(self, name: str) -> None:
        """Send it a signal by name, such as "TERM"; where the place can, to its whole process group, as a terminal would."""

    @abstractmethod
    async def wait(self) -> Exit:
        """Its exit."""

    @abstractmethod
    async def aclose(self) -> None:
        """Leave nothing of it running at the place, or raise Survivors."""


class AttachedHandle(ABC):
    """Something that runs and that we only watch: the type has no stop."""

    ref: str
    """For people: "pid 4711", "container 3f2a9c"."""

    @abstractmethod
    async def wait(self) -> Exit:
        """The exit. May be called often and concurrently, cancelled without effect; never ends for a lost link."""

    @abstractmethod
    def output(self, query: OutputQuery = OutputQuery()) -> AsyncIterator[Output]:  # noqa: B008 - a frozen value
        """Output strictly after the cursor; ends at the run's end. Without OUTPUT: raises NotSupported."""

    async def endpoints(self) -> Sequence[Endpoint]:
        """How the service is reached now; default: nothing is known."""
        return ()

    async def stats(self) -> Stats:
        """What it uses now. Without STATS: raises NotSupported."""
        raise NotSupported("this executor does not tell memory and CPU use")

    async def exec(self, command: Command) -> Session:
        """Run a command inside the service's place. Without EXEC: raises NotSupported."""
        raise NotSupported("this executor can't run commands inside")

    async def detach(self) -> None:
        """Let go of it; default: nothing to let go."""
        return None


class ProcessHandle(AttachedHandle):
    """A run that we launched and own."""

    @abstractmethod
    def state(self) -> HandleState:
        """What core stores at once, and what is enough to `recover` this run."""

    @abstractmethod
    async def request_stop(self, signal: str | None, grace: float) -> None:
        """Ask it to end and return at once. `signal` None: what the place prefers; `grace`: seconds until core kills."""

    @abstractmethod
    async def signal(self, name: str) -> None:
        """Send a signal by name ("TERM"). Without SIGNALS: raises NotSupported."""

    @abstractmethod
    async def kill(self) -> None:
        """End the whole tree; returns when nothing of it is left, or raises Survivors. Idempotent. The record stays."""

    @abstractmethod
    async def dispose(self) -> None:
        """Free what a *finished* run still holds (container, unit, stored output). Idempotent."""

    async def write(self, data: bytes | None) -> None:
        """Write to stdin or terminal; None ends it. Returns once the bytes were taken: core does not bound that in time.

        Without STDIN: raises NotSupported.
        """
        raise NotSupported("this executor can't write to stdin")

    async def resize(self, rows: int, columns: int) -> None:
        """Tell its terminal the new size. Without TTY, and for a run that has no terminal: raises NotSupported."""
        raise NotSupported("this executor gives its services no terminal")


class Launcher(ABC):
    """Starts things and owns them. Holds no service's config: it comes with each call."""

    @abstractmethod
    def place(self, config: Any) -> Place:
        """Where a service with this config stands; pure, known before launch."""

    async def prepare(self, spec: LaunchSpec) -> None:
        """Do what is slow, repeatable and starts nothing: pull, build, upload, find the binary. Default: nothing."""
        return None

    @abstractmethod
    async def launch(self, spec: LaunchSpec) -> ProcessHandle:
        """The handle of a new run, as soon as its main process exists. Launching a run that exists returns that run."""

    @abstractmethod
    async def recover(self, spec: LaunchSpec, state: HandleState | None) -> ProcessHandle | None:
        """The handle of a run launched earlier; None means *certainly* gone. Can't tell: raise Unreachable.

        `state` None: launch never answered, look by `spec.run`. A finished run whose exit is still known is a handle.
        """

    async def survey(self) -> Sequence[Found]:
        """All that carries our mark at this executor's places. Default: nothing."""
        return ()

    async def pick_port(self, spec: LaunchSpec, wanted: int | None) -> int | None:
        """A port that is free where the service will publish it: `wanted`, or any; raises PortTaken.

        None means that the place chooses at launch. Default: a bind test on this machine.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # A socket in TIME_WAIT does not hinder servers that set this, as nearly all do.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0" if wanted else "127.0.0.1", wanted or 0))
            except OSError as error:
                raise PortTaken(wanted or 0) from error
            port: int = probe.getsockname()[1]
            return port

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of everything; never stops services."""


class Attacher(ABC):
    """Finds what already runs; never starts, stops or restarts it."""

    @abstractmethod
    def place(self, config: Any) -> Place:
        """Where a service with this config stands; pure."""

    @abstractmethod
    async def attach(self, spec: LaunchSpec) -> AttachedHandle:
        """A handle on what runs; raises NotFound, or Ambiguous naming the candidates."""

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of everything."""
