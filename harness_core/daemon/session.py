"""Session: the requests of one connection, each in its own task, with bounds on how many."""

from __future__ import annotations

import asyncio
import contextvars
import json
from dataclasses import dataclass
from typing import Any

from harness_core import __version__
from harness_core.contracts.errors import HarnessError
from harness_core.daemon import refusal, requests
from harness_core.daemon.execs import Execs
from harness_core.daemon.handlers import HANDLERS
from harness_core.daemon.log import request_id
from harness_core.daemon.model import Call, Caller, Daemon
from harness_core.daemon.stream import Channel, Encoder, Stream
from harness_core.protocol import (
    FAILED,
    INTERNAL_ERROR,
    MAX_IN_FLIGHT,
    MAX_REPLY,
    MAX_STREAMS,
    CancelRequest,
    Request,
    Role,
    StatusOfServices,
    hello,
    result_frame,
)

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class _Running:
    task: asyncio.Task[None]
    streams: bool


class Session:
    """What one client has asked for. `received` for each text that comes, `close` when it has gone."""

    def __init__(
        self,
        daemon: Daemon,
        caller: Caller,
        channel: Channel,
        *,
        number: int,
        tasks: asyncio.TaskGroup,
        encoder: Encoder,
        pid: int,
    ) -> None:
        self._daemon = daemon
        self._caller = caller
        self._channel = channel
        self._number = number
        self._tasks = tasks
        self._encoder = encoder
        self._running: dict[int, _Running] = {}
        self._execs = Execs()
        self._audited: set[tuple[object, ...]] = set()
        self._closed = False
        self._send(hello(version=__version__, epoch=daemon.manager.epoch, pid=pid))

    def received(self, text: str) -> None:
        """Begin to answer what the client said."""
        try:
            numbered = requests.read(text, self._caller.role)
            self._check_room(numbered.id, numbered.request)
        except refusal.Refusal as e:
            self._audit(f"{self._number}-{e.id}", "?", {}, f"refused: {e.kind}: {e.message}")
            self._send(refusal.error_frame_of(e.id, e))
            return
        if isinstance(numbered.request, CancelRequest):
            self._cancel(numbered.id, numbered.request)
            return
        quick = isinstance(numbered.request, StatusOfServices) and not numbered.request.detailed
        if quick and self._answered_at_once(numbered.id, numbered.request):
            return
        task = self._tasks.create_task(self._answer(numbered.id, numbered.request))
        self._running[numbered.id] = _Running(task, numbered.request.streams)

    def close(self) -> None:
        """The client has gone: nobody waits for its answers any more. What was accepted goes on."""
        self._closed = True
        for running in self._running.values():
            running.task.cancel()

    def end(self, reason: str) -> None:
        """The daemon ends: tell the client, and close the connection."""
        self.close()
        self._channel.close(reason)

    def _check_room(self, id: int, request: Request) -> None:
        if id in self._running:
            raise refusal.malformed(f"request {id} is still under way", id=id, kind="request.duplicate-id")
        if len(self._running) >= MAX_IN_FLIGHT and not isinstance(request, CancelRequest):
            raise refusal.malformed(f"more than {MAX_IN_FLIGHT} requests are under way", id=id, kind="request.too-many")
        if request.streams and sum(running.streams for running in self._running.values()) >= MAX_STREAMS:
            raise refusal.malformed(f"more than {MAX_STREAMS} streams are open", id=id, kind="request.too-many-streams")

    def _cancel(self, id: int, request: CancelRequest) -> None:
        running = self._running.get(request.id)
        if running is not None:
            running.task.cancel()
        self._send(result_frame(id, {"cancelled": running is not None}))

    def _answered_at_once(self, id: int, request: Request) -> bool:
        """Answer a question that waits for nothing without a task, which takes as long as the answer; False: it would wait."""
        answering = self._answer(id, request)
        try:
            contextvars.copy_context().run(answering.send, None)
        except StopIteration:
            return True
        answering.close()  # it changed nothing, so it can be asked anew
        return False

    async def _answer(self, id: int, request: Request) -> None:
        """Carry out one request and reply, whatever happens."""
        name = f"{self._number}-{id}"
        request_id.set(name)
        stream = Stream(self._channel, self._encoder, id)
        if request.lasting:
            self._audit(name, request.method, _details(request), "begun")
        try:
            frame, result = await self._outcome(id, request, Call(self._caller, name, id, stream, self._execs))
        finally:
            stream.close()
            self._running.pop(id, None)
        if request.role is not Role.READ and not self._told_before(request, result):
            self._audit(name, request.method, _details(request), result)
        if not self._closed:
            self._send(frame)

    def _told_before(self, request: Request, result: str) -> bool:
        """Whether the audit has the first of these already, and this one is no news."""
        if not request.frequent or result != "ok":
            return False
        params = request.params()
        what = (request.method, *(params.get(name) for name in ("project", "service", "session")))
        told = what in self._audited
        self._audited.add(what)
        return told

    async def _outcome(self, id: int, request: Request, call: Call) -> tuple[dict[str, Any], str]:
        try:
            value = await HANDLERS[type(request)](self._daemon, call, request)
            call.stream.flush()
            await self._channel.drained()
        except asyncio.CancelledError:
            # Asked for by the client, or the connection has gone: either way this task ends right here.
            return _error(id, "request.cancelled", "the request was cancelled"), "cancelled"
        except HarnessError as e:
            call.stream.flush()
            return refusal.error_frame_of(id, e), f"failed: {e.kind}: {e.message}"
        except Exception:
            self._daemon.log.logger.exception("%s of %s failed", request.method, self._caller)
            hint = f"`harness daemon logs` tells more about request {call.id}; this is a bug in harness or in a plugin"
            frame = _error(id, "internal", "the daemon failed at this request", hint=hint, code=INTERNAL_ERROR)
            return frame, "failed: internal"
        return result_frame(id, value), "ok"

    def _send(self, frame: dict[str, Any]) -> None:
        text = _ENCODE(frame)
        if len(text) > MAX_REPLY:
            message = f"the reply would have {len(text):,} bytes; a reply may have {MAX_REPLY:,}"
            text = json.dumps(_error(frame["id"], "reply.too-large", message, hint="ask for fewer services"))
        self._channel.send(text)

    def _audit(self, request: str, what: str, details: dict[str, Any], result: str) -> None:
        self._daemon.audit.request(str(self._caller), request, what, details, result)


def _error(id: int, kind: str, message: str, *, hint: str | None = None, code: int | None = None) -> dict[str, Any]:
    error = refusal.Refusal(kind, message, code=FAILED if code is None else code, hint=hint)
    return refusal.error_frame_of(id, error)


def _details(request: Request) -> dict[str, Any]:
    """The params without what a person's files, environment and keyboard hold."""
    details = request.params()
    if details.get("env"):
        details["env"] = sorted(details["env"])
    if (data := details.pop("data", None)) is not None:
        details["bytes"] = len(data) * 3 // 4
    bundle = details.pop("bundle", None)
    if bundle is not None:
        details["files"] = [file["path"] for file in bundle["files"]]
        details["project"] = bundle["project"]
    return details
