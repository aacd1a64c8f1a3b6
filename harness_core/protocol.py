"""Every request, reply and stream item on the wire: JSON-RPC 2.0, one JSON object a frame.

A request is a class below; its fields are the params. Some requests *stream*: before the reply, the server sends
`{"method": "stream", "params": {"id": <request id>, "items": [...]}}` notifications, and the reply ends the stream.
`request.cancel` ends a stream (or any request) early. Items carry a `type`:

    event     one of contracts.events, as `Event.to_json` writes it, under `event`
    log       service run at stream text end cursor [base64] [lost]: a line, or with `end: false` a piece of a long or
              unfinished one; `base64` holds the exact bytes when they are not UTF-8; `lost` bytes are missing before it
    lagged    from to: this reader was too slow and events of these seqs are gone
    reset     epoch seq services: the cursor is of another epoch; here is the present state
    progress  service detail: a long step goes on
    opened    the command inside a service has begun
    attached  run stdin tty: which run is looked at, and whether it would take keys
    output    stream and text, or base64 where it is not UTF-8, [lost]: bytes exactly as they were written, when they were
    line      text: a line of the daemon's own log
    registry  project service type state health run place endpoints: a record, as `registry.list` tells it

`HELLO` is the first frame that the server sends. The table `METHODS` is all there is: dispatch is by this table alone.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Self

PROTOCOL_VERSION = 1
MAX_FRAME = 1024 * 1024
"""Bytes of a request."""
MAX_REPLY = 16 * 1024 * 1024
"""Bytes of a reply, which may tell of thousands of services; items of streams come in frames of at most a quarter MiB."""
MAX_DEPTH = 64
MAX_IN_FLIGHT = 256
MAX_STREAMS = 64
MAX_EXECS = 16
"""Commands inside services, a connection."""
MAX_WRITE = 64 * 1024
"""Bytes of input a request."""


class Role(StrEnum):
    """What a client may do; each includes the ones before it."""

    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"


@typing.dataclass_transform(kw_only_default=True, frozen_default=True)
class Request:
    """The base: `method` is its name on the wire, `role` what it takes, `streams` whether items come before the reply.

    Requests are values like frozen dataclasses: keyword arguments, equality, no way to change one. They are not made by
    `dataclass` because twenty of those would cost each `harness status` more than its request does.
    """

    method: ClassVar[str]
    role: ClassVar[Role] = Role.READ
    streams: ClassVar[bool] = False
    lasting: ClassVar[bool] = False
    """may go on for hours: the audit tells its beginning, too"""
    frequent: ClassVar[bool] = False
    """a keystroke each: of those that one connection makes about one thing the audit tells the first, and what fails"""
    fields: ClassVar[tuple[str, ...]] = ()
    """names of all params"""
    required: ClassVar[tuple[str, ...]] = ()
    """names of the params without a default"""

    def __init_subclass__(cls) -> None:
        cls.fields = tuple(name for name, hint in cls.__annotations__.items() if not hint.startswith("ClassVar"))
        cls.required = tuple(name for name in cls.fields if name not in vars(cls))

    def __init__(self, **params: Any) -> None:
        known = type(self)
        wrong = [*(params.keys() - set(known.fields)), *(set(known.required) - params.keys())]
        if wrong:
            raise TypeError(f"{known.__name__}: unknown or missing: {', '.join(sorted(wrong))}")
        for name in known.fields:
            object.__setattr__(self, name, params[name] if name in params else getattr(known, name))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} can't be changed: {name}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    def but(self, **changes: Any) -> Self:
        """The same request with other params."""
        return type(self)(**{**vars(self), **changes})

    def params(self) -> dict[str, Any]:
        """The params as JSON."""
        return dict(vars(self))


class StartServices(Request):
    """Start services and what they depend on. → Outcome. Streams events of the services concerned.

    None: all that run with the profiles that were applied, and with `profiles`.
    """

    method: ClassVar[str] = "services.start"
    role: ClassVar[Role] = Role.OPERATE
    streams: ClassVar[bool] = True
    project: str
    services: tuple[str, ...] | None = None
    profiles: tuple[str, ...] = ()
    wait: bool = True
    timeout: float | None = None


class StopServices(Request):
    """Stop services, dependents first; None: all. Running dependents: error `stop.dependents`, unless `force`. → Outcome.

    `down` also forgets the project and the output of its runs. `timeout`: seconds until KILL, instead of each service's
    own. `kill` goes straight to KILL.
    """

    method: ClassVar[str] = "services.stop"
    role: ClassVar[Role] = Role.OPERATE
    streams: ClassVar[bool] = True
    project: str
    services: tuple[str, ...] | None = None
    force: bool = False
    down: bool = False
    kill: bool = False
    wait: bool = True
    timeout: float | None = None


class RestartServices(Request):
    """Stop and start services; dependents stay. None: all. → Outcome."""

    method: ClassVar[str] = "services.restart"
    role: ClassVar[Role] = Role.OPERATE
    streams: ClassVar[bool] = True
    project: str
    services: tuple[str, ...] | None = None
    wait: bool = True
    timeout: float | None = None


class StatusOfServices(Request):
    """How services are; unknown project: error `project.unknown`.

    → {"project", "name", "path", "degraded": str|None, "services": [ServiceStatus]}.

    ServiceStatus: name type state health pid run ref started_at restarts exit reason endpoints containment oneshot wanted
    waiting_for description; with `detailed` also memory cpu_seconds processes notes crash_safe dependencies.
    `services` None: all but those that are off by their profiles and were never started.
    """

    method: ClassVar[str] = "services.status"
    project: str
    services: tuple[str, ...] | None = None
    detailed: bool = False


class ListProjects(Request):
    """Every project that the daemon knows.

    → {"projects": [{"id", "name", "path", "wanted": int, "running": int, "services": int}]}.
    """

    method: ClassVar[str] = "services.list"


class WhyService(Request):
    """Why a service is in its state.

    → {"service", "state", "summary", "causes": [{at text}], "events", "probes": [{at healthy detail}], "exit", "last_lines"}.

    `summary` is a sentence; `causes` are what led to it, oldest first, without a time where that is not known.
    """

    method: ClassVar[str] = "services.why"
    project: str
    service: str


class SignalService(Request):
    """Send a signal (`TERM`, `sigterm`, `15`) to a service's main process. → {}. What is none: error `signal.unknown`.

    Not running: error `service.not-running`. Should it end by the signal, that is an exit like any other to its restart policy.
    """

    method: ClassVar[str] = "services.signal"
    role: ClassVar[Role] = Role.OPERATE
    project: str
    service: str
    signal: str


class AttachService(Request):
    """Stream an `attached` item, then what the present run writes, as `output` items; the reply is its end. → {"exit": Exit}.

    First the last `tail` lines that are stored. Not running: error `service.not-running`.
    """

    method: ClassVar[str] = "services.attach"
    role: ClassVar[Role] = Role.OPERATE
    streams: ClassVar[bool] = True
    lasting: ClassVar[bool] = True
    project: str
    service: str
    tail: int = 0


class WriteStdin(Request):
    """Feed a service's stdin or terminal; `data` is base64 of at most 64 KiB, None ends it for good. → {} when it was taken.

    Send the next one after the reply: then nothing piles up, and the order holds.
    """

    method: ClassVar[str] = "services.stdin"
    role: ClassVar[Role] = Role.OPERATE
    frequent: ClassVar[bool] = True
    project: str
    service: str
    data: str | None


class ResizeService(Request):
    """Tell a service's terminal its size. → {}."""

    method: ClassVar[str] = "services.resize"
    role: ClassVar[Role] = Role.OPERATE
    frequent: ClassVar[bool] = True
    project: str
    service: str
    rows: int
    columns: int


class OpenExec(Request):
    """Run a command inside a service's place, behind its layers. Streams an `opened` item, then `output`. → {"exit": Exit}.

    It gets the service's environment and folder; `env` comes on top, a relative `cwd` is below. `stdin`: it will be fed; with
    `tty` it has a terminal of that size. Cancelled, or the connection gone: nothing of it is left. A client that does not read
    makes the command wait. At most 16 are open on a connection.
    """

    method: ClassVar[str] = "exec.open"
    role: ClassVar[Role] = Role.OPERATE
    streams: ClassVar[bool] = True
    lasting: ClassVar[bool] = True
    project: str
    service: str
    command: tuple[str, ...]
    env: Mapping[str, str] | None = None
    cwd: str | None = None
    stdin: bool = False
    tty: bool = False
    rows: int = 24
    columns: int = 80


class WriteExec(Request):
    """Feed a command; `session` is the id of its `exec.open` on this connection. → {} when it took the bytes.

    `data` is base64 of at most 64 KiB, None: the end of its input. Like all that is asked of a session, it waits until the
    command has begun; once that has ended: error `exec.unknown`.
    """

    method: ClassVar[str] = "exec.write"
    role: ClassVar[Role] = Role.OPERATE
    frequent: ClassVar[bool] = True
    session: int
    data: str | None


class ResizeExec(Request):
    """Tell a command's terminal its size. → {}."""

    method: ClassVar[str] = "exec.resize"
    role: ClassVar[Role] = Role.OPERATE
    frequent: ClassVar[bool] = True
    session: int
    rows: int
    columns: int


class SignalExec(Request):
    """Send a signal to a command, and where the place can to all of its process group, as Ctrl-C does. → {}."""

    method: ClassVar[str] = "exec.signal"
    role: ClassVar[Role] = Role.OPERATE
    session: int
    signal: str


class CloseExec(Request):
    """End a command and all that it has started; its `exec.open` then replies with its exit. → {}."""

    method: ClassVar[str] = "exec.close"
    role: ClassVar[Role] = Role.OPERATE
    session: int


class ReadLogs(Request):
    """Stream log items, merged in time order; the reply comes at the end: {"cursors": {service: cursor}}.

    `cursors`: strictly after these (resume); else `since` (RFC 3339) or the last `tail` lines of each; None: everything kept.
    With `follow` the stream goes on over restarts until cancelled. `runs`: all kept runs, or only the latest (False).
    """

    method: ClassVar[str] = "logs.read"
    streams: ClassVar[bool] = True
    project: str
    services: tuple[str, ...] | None = None
    cursors: Mapping[str, str] | None = None
    since: str | None = None
    until: str | None = None
    tail: int | None = None
    follow: bool = False
    runs: bool = True


class SubscribeEvents(Request):
    """Stream event items as they happen, first those after (`epoch`, `after`); ends only when cancelled.

    The first item is always `reset` unless (epoch, after) could be resumed exactly. `project` None: of all projects.
    """

    method: ClassVar[str] = "events.subscribe"
    streams: ClassVar[bool] = True
    project: str | None = None
    services: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    epoch: str | None = None
    after: int | None = None


class ListEvents(Request):
    """Past events, oldest first. → {"epoch", "seq", "events": [event]}; `limit` newest ones."""

    method: ClassVar[str] = "events.list"
    project: str | None = None
    services: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    limit: int = 200


class RunHealthChecks(Request):
    """Probe now, without effect on state. → {"services": [{"name", "check", "healthy": bool | None, "detail", "seconds"}]}."""

    method: ClassVar[str] = "health.run"
    project: str
    services: tuple[str, ...] | None = None


class ValidateConfig(Request):
    """Check a bundle with the daemon's plugins. → {"project": id, "name", "problems": [problem]}; else error `config.invalid`."""

    method: ClassVar[str] = "config.validate"
    bundle: Mapping[str, Any]


class PlanConfig(Request):
    """What applying a bundle would do, without any effect. → Plan.

    Plan: {"project", "name", "steps": [{"service", "action": "start|stop|restart|remove|keep", "reason"}], "changes": bool,
    "off": [services that run only when named, or with a profile that was not], "problems": [warnings]}.
    `services`: apply, and start only these and what they depend on.
    """

    method: ClassVar[str] = "config.plan"
    bundle: Mapping[str, Any]
    services: tuple[str, ...] | None = None


class ApplyConfig(Request):
    """Make a bundle the project's configuration: removed services stop, changed ones restart.

    With `start` all (or `services`) start; without, only what runs is touched. → Outcome plus {"project", "name",
    "plan": Plan}. Streams events.
    """

    method: ClassVar[str] = "config.apply"
    role: ClassVar[Role] = Role.OPERATE
    streams: ClassVar[bool] = True
    bundle: Mapping[str, Any]
    services: tuple[str, ...] | None = None
    start: bool = True
    wait: bool = True
    timeout: float | None = None


class GetConfig(Request):
    """The applied configuration, resolved and masked. → {"project", "config": {...}}."""

    method: ClassVar[str] = "config.get"
    project: str


class GetEnvironment(Request):
    """The environment of services: what it is, or would be if they were started now; masked. → {"project", "services":
    [{"service", "state", "variables": [variable]}]}.

    A variable: name value source file secret problem. `source`: `inherited`, `env_file` (then `file` says which) or `env`.
    `value` None: it has none now, and `problem` says why. `names`: only these; one that none of the services has: error
    `variable.unknown`.
    """

    method: ClassVar[str] = "env.get"
    project: str
    services: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None


class ListRegistry(Request):
    """What runs where and how it is reached; `project` None: of all projects. → {"services": [record]}.

    A record: project service type state health run place endpoints. `place`: {"host", "network"}, None while a plugin is
    missing. `endpoints`: [{"name", "protocol", "addresses": [{"host", "port", "within": place | None}]}]; an address is valid
    within its place, None: anywhere.
    """

    method: ClassVar[str] = "registry.list"
    project: str | None = None
    services: tuple[str, ...] | None = None


class ResolveService(Request):
    """How a service is reached by the service `viewer`, None: from the daemon's machine. → {"project", "service", "from",
    "place", "endpoints": [{"name", "protocol", "host", "port", "url"}]}; `endpoint`: by this one alone.

    An endpoint that can't be reached from there has neither host nor port; where none can: error `reference.unresolved`,
    which says why and what to do.
    """

    method: ClassVar[str] = "registry.resolve"
    project: str
    service: str
    viewer: str | None = None
    endpoint: str | None = None


class WatchRegistry(Request):
    """Stream `registry` items: first a record of each service as it is, then of each that changes; ends only when cancelled.

    A service that leaves the configuration is told as stopped, and not again.
    """

    method: ClassVar[str] = "registry.watch"
    streams: ClassVar[bool] = True
    project: str | None = None
    services: tuple[str, ...] | None = None


class ListPlugins(Request):
    """What the daemon has installed and what is broken. → {"plugins": [...], "broken": [...]}."""

    method: ClassVar[str] = "plugins.list"


class DaemonStatus(Request):
    """How the daemon is.

    → {pid version api address started_at epoch prefix state_dir degraded projects clients keeper: {pid …} plugins: […]}.
    """

    method: ClassVar[str] = "daemon.status"


class StopDaemon(Request):
    """End the daemon, after all services if `services` says so. → {"running": int}, before it ends: services that run on."""

    method: ClassVar[str] = "daemon.stop"
    role: ClassVar[Role] = Role.ADMIN
    streams: ClassVar[bool] = True
    services: bool = False


class UpgradeDaemon(Request):
    """Become other code, services untouched: the keeper, if its code differs, then the daemon. → {"from", "to", "keeper", …}.

    `python`, `folder`, `pythonpath`: the interpreter, the folder that holds its harness_core, and what goes with them; None:
    what is installed now where the daemon runs. What can't be the daemon, or lacks a plugin that services need, is refused
    with `upgrade.refused`, and nothing has changed. The reply, {"from", "to", "pid", "keeper": {"pid", "replaced", "note"},
    "running": int}, comes before the daemon hands over; then the connection ends, and a new one waits until the new daemon
    answers. Streams `progress`.
    """

    method: ClassVar[str] = "daemon.upgrade"
    role: ClassVar[Role] = Role.ADMIN
    streams: ClassVar[bool] = True
    python: str | None = None
    folder: str | None = None
    pythonpath: str | None = None


class DaemonLogs(Request):
    """Stream the daemon's own log as `line` items."""

    method: ClassVar[str] = "daemon.logs"
    role: ClassVar[Role] = Role.ADMIN
    streams: ClassVar[bool] = True
    tail: int = 200
    follow: bool = False


class CancelRequest(Request):
    """End another request of this connection; that one replies with error `request.cancelled`. → {"cancelled": bool}."""

    method: ClassVar[str] = "request.cancel"
    id: int


# Outcome, the reply of start, stop, restart and apply:
# {"reached": bool, "timed_out": bool, "services": [
#     {"name", "reached": bool, "pending": bool, "already": bool, "state", "reason", "exit", "endpoints", "last_lines": [str]}]}

METHODS: Mapping[str, type[Request]] = {
    request.method: request
    for request in (
        StartServices, StopServices, RestartServices, StatusOfServices, ListProjects, WhyService, SignalService, AttachService,
        WriteStdin, ResizeService, OpenExec, WriteExec, ResizeExec, SignalExec, CloseExec, ReadLogs,
        SubscribeEvents, ListEvents, RunHealthChecks, ValidateConfig, PlanConfig, ApplyConfig, GetConfig,
        GetEnvironment, ListRegistry, ResolveService, WatchRegistry, ListPlugins,
        DaemonStatus, StopDaemon, UpgradeDaemon, DaemonLogs, CancelRequest,
    )
}  # fmt: skip

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
FAILED = -32000
"""The code of every error of ours; `data.kind` tells which."""


def hello(*, version: str, epoch: str, pid: int) -> dict[str, Any]:
    """The first frame of the server: a notification."""
    params = {"protocol": PROTOCOL_VERSION, "version": version, "epoch": epoch, "pid": pid}
    return {"jsonrpc": "2.0", "method": "hello", "params": params}


def request_frame(id: int, request: Request) -> dict[str, Any]:
    """A request on the wire."""
    return {"jsonrpc": "2.0", "id": id, "method": request.method, "params": request.params()}


def stream_frame(id: int, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Items of a streaming request."""
    return {"jsonrpc": "2.0", "method": "stream", "params": {"id": id, "items": items}}


def result_frame(id: int, result: Any) -> dict[str, Any]:
    """The reply of a request that succeeded."""
    return {"jsonrpc": "2.0", "id": id, "result": result}


def error_frame(
    id: int | None, *, kind: str, message: str, hint: str | None = None, code: int = FAILED, **data: Any
) -> dict[str, Any]:
    """The reply of a request that failed. Kinds are stable and documented."""
    return {
        "jsonrpc": "2.0",
        "id": id,
        "error": {"code": code, "message": message, "data": {"kind": kind, "hint": hint, **data}},
    }


def schema_of(request: type[Request]) -> dict[str, Any]:
    """The JSON Schema of a request's params."""
    hints = typing.get_type_hints(request)
    return {
        "type": "object",
        "properties": {name: _schema(hints[name]) for name in request.fields},
        "required": list(request.required),
        "additionalProperties": False,
    }


def request_of(method: str, params: Mapping[str, Any]) -> Request:
    """The request value; `params` have passed `schema_of` before."""
    tuples = _tuple_fields(method)
    return METHODS[method](**{k: tuple(v) if k in tuples and v is not None else v for k, v in params.items()})


@functools.cache
def _tuple_fields(method: str) -> frozenset[str]:
    # Looked up once: reading type hints takes longer than answering.
    return frozenset(name for name, hint in typing.get_type_hints(METHODS[method]).items() if "tuple" in str(hint))


_JSON_TYPES: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}


def _schema(hint: Any) -> dict[str, Any]:
    if hint in _JSON_TYPES:
        return {"type": _JSON_TYPES[hint]}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(argument) for argument in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0]), "maxItems": 10_000}
    if origin is Mapping:
        value = arguments[1]
        return {"type": "object"} if value is Any else {"type": "object", "additionalProperties": _schema(value)}
    raise TypeError(f"no JSON Schema for {hint}")
