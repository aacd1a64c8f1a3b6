"""FakeWorld: the place where fake services run; it outlives the executor objects that stand before it.

A test scripts services by name (`world.script("api", Behaviour(code=1, after=0.1))`) or in their config (`type: fake`,
`code: 1`, `after: 0.1`), and afterwards pulls the strings: `world.end("api", code=3)`, `world.say("api", b"line\\n")`,
`world.cut_link()`. Recovery after a daemon's death is a new launcher before the same world.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from harness_core.contracts.command import Command
from harness_core.contracts.errors import Unreachable
from harness_core.contracts.health import ExecResult
from harness_core.contracts.offer import Change, ChangeKind
from harness_core.contracts.output import Cursor, Output, Stream
from harness_core.contracts.run import Exit, LaunchSpec


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a fake service does. Times are real seconds; `after` None: it runs until it is told to end."""

    after: float | None = None
    code: int = 0
    signal: str | None = None
    output: tuple[str, ...] = ()
    """lines written at launch"""
    stop_delay: float = 0.0
    refuses_stop: bool = False
    """only KILL ends it"""
    survives_kill: bool = False
    prepare_delay: float = 0.0
    launch_delay: float = 0.0
    failures: int = 0
    """so many launches fail before one succeeds; -1: every one"""
    failure: str = "transient"
    """`transient`, `permanent`, `command-not-found` or `port-taken`"""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Behaviour:
        """The behaviour that a service's config asks for."""
        known = {key: config[key] for key in cls.__dataclass_fields__ if key in config}
        if "output" in known:
            known["output"] = tuple(known["output"])
        return cls(**known)


BEHAVIOUR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "after": {"type": "number", "minimum": 0, "description": "Seconds until it exits by itself; without it, it runs on."},
        "code": {"type": "integer", "default": 0, "description": "Its exit code."},
        "signal": {"type": "string", "description": "The signal that ends it, instead of a code.", "examples": ["SEGV"]},
        "output": {"type": "array", "items": {"type": "string"}, "description": "Lines that it writes at launch."},
        "stop_delay": {"type": "number", "minimum": 0, "description": "Seconds that it takes to obey a stop."},
        "refuses_stop": {"type": "boolean", "default": False, "description": "Only KILL ends it."},
        "survives_kill": {"type": "boolean", "default": False, "description": "Not even KILL ends it."},
        "prepare_delay": {"type": "number", "minimum": 0, "description": "Seconds that its preparation takes."},
        "launch_delay": {"type": "number", "minimum": 0, "description": "Seconds that its launch takes."},
        "failures": {"type": "integer", "default": 0, "description": "So many launches fail first; -1: all of them."},
        "failure": {
            "enum": ["transient", "permanent", "command-not-found", "port-taken"],
            "description": "How launches fail.",
        },
    },
}


@dataclass(slots=True)
class FakeRun:
    """One run in the world, as its engine would know it."""

    spec: LaunchSpec
    behaviour: Behaviour
    number: int
    exit: Exit | None = None
    output: list[Output] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    stdin: bytearray = field(default_factory=bytearray)
    stdin_closed: bool = False
    size: tuple[int, int] | None = None
    """of its terminal, once somebody told it"""
    disposed: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    timers: list[asyncio.TimerHandle] = field(default_factory=list)


class FakeWorld:
    """All fake services of one test. Everything is in memory and instant unless a behaviour says otherwise."""

    def __init__(self) -> None:
        self.runs: dict[str, FakeRun] = {}
        """by run id, disposed ones removed"""
        self.history: list[LaunchSpec] = []
        """every spec whose launch succeeded, in order"""
        self.prepared: list[LaunchSpec] = []
        self.on_exec: Callable[[LaunchSpec, Command], ExecResult] = lambda spec, command: ExecResult(0, b"")
        """what `exec` answers"""
        self.linked = True
        self.listeners: list[Callable[[str, Change], None]] = []
        self._scripts: dict[str, Behaviour] = {}
        self._failed: dict[str, int] = {}

    def script(self, service: str, behaviour: Behaviour) -> None:
        """From its next run on, `service` behaves like this, whatever its config says."""
        self._scripts[service] = behaviour
        self._failed.pop(service, None)

    def behaviour(self, spec: LaunchSpec) -> Behaviour:
        """How a run of this spec behaves."""
        return self._scripts.get(spec.service) or Behaviour.from_config(spec.config)

    def running(self, service: str) -> list[FakeRun]:
        """The live runs of a service, oldest first."""
        return [run for run in self.runs.values() if run.spec.service == service and run.exit is None]

    def latest(self, service: str) -> FakeRun:
        """The newest run of a service, live or not."""
        return [run for run in self.runs.values() if run.spec.service == service][-1]

    def end(self, service: str, *, code: int | None = None, signal: str | None = None, reason: str | None = None) -> None:
        """Every live run of the service ends; without code and signal its exit is unknown."""
        for run in self.running(service):
            self.finish(run, Exit(code, signal, reason, datetime.now(UTC)))

    def say(self, service: str, data: bytes, stream: Stream = Stream.OUT) -> None:
        """The newest run of the service writes this."""
        self.write(self.latest(service), data, stream)

    def cut_link(self) -> None:
        """The place can't be asked any more; services run on."""
        self.linked = False
        self._tell_all(ChangeKind.UNREACHABLE)

    def mend_link(self) -> None:
        """The place answers again."""
        self.linked = True
        self._tell_all(ChangeKind.REACHABLE)
        for run in self.runs.values():
            _wake(run)

    # What the fake executor does with the world:

    def check_link(self) -> None:
        """Raise Unreachable while the link is cut."""
        if not self.linked:
            raise Unreachable("the fake place can't be reached", hint="mend_link() mends it")

    def fails(self, spec: LaunchSpec) -> bool:
        """Whether this launch is one of those that fail; counts it."""
        behaviour = self.behaviour(spec)
        failed = self._failed.get(spec.service, 0)
        if behaviour.failures >= 0 and failed >= behaviour.failures:
            return False
        self._failed[spec.service] = failed + 1
        return True

    def start(self, spec: LaunchSpec) -> FakeRun:
        """A new run that behaves as scripted."""
        behaviour = self.behaviour(spec)
        run = FakeRun(spec, behaviour, number=len(self.history) + 1)
        self.runs[spec.run] = run
        self.history.append(spec)
        for line in behaviour.output:
            self.write(run, line.encode() + b"\n")
        if behaviour.after is not None:
            self.later(run, behaviour.after, Exit(None if behaviour.signal else behaviour.code, behaviour.signal))
        return run

    def later(self, run: FakeRun, delay: float, exit: Exit) -> None:
        """The run ends in `delay` seconds, if it has not ended before."""
        run.timers.append(asyncio.get_running_loop().call_later(delay, self.finish, run, exit))

    def finish(self, run: FakeRun, exit: Exit) -> None:
        """The run ends now."""
        if run.exit is not None:
            return
        run.exit = exit if exit.at else replace(exit, at=datetime.now(UTC))
        for timer in run.timers:
            timer.cancel()
        _wake(run)

    def write(self, run: FakeRun, data: bytes, stream: Stream = Stream.OUT) -> None:
        """The run writes something; ignored once it has ended."""
        if run.exit is None:
            run.output.append(Output(Cursor(str(len(run.output) + 1)), datetime.now(UTC), stream, data))
            _wake(run)

    def _tell_all(self, kind: ChangeKind) -> None:
        for run in self.runs.values():
            for listener in self.listeners:
                listener(run.spec.run, Change(kind, "the fake link"))


def _wake(run: FakeRun) -> None:
    """Let everybody who waits for news of the run look again."""
    run.changed.set()
    run.changed = asyncio.Event()
