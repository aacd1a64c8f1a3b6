"""Client: requests to a daemon and their answers, synchronously, over any Transport."""

from __future__ import annotations

import contextlib
import json
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from harness_core import __version__, paths
from harness_core.contracts.errors import HarnessError
from harness_core.protocol import MAX_FRAME, PROTOCOL_VERSION, CancelRequest, Request, request_frame
from harness_core.transport import ConnectionLost, Impostor, Transport, Unreachable, Untrusted, open_websocket

HELLO_TIMEOUT = 5.0
CALL_TIMEOUT = 30.0
_SIGINT = {signal.SIGINT}


class RemoteError(HarnessError):
    """The daemon answered with an error: its `kind`, `message`, `hint`, and what else it said in `data`."""

    def __init__(self, kind: str, message: str, *, hint: str | None, data: dict[str, Any]) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.data = data


class NoAnswer(HarnessError):
    """A reply did not come in time; the request may still be carried out."""

    kind = "daemon.timeout"


class RequestTooLarge(HarnessError):
    """A request does not fit into a frame."""

    kind = "request.too-large"


class VersionMismatch(HarnessError):
    """Client and daemon speak different protocols."""

    kind = "daemon.version"


class Stream:
    """The items of a streaming request, then its result.

    Iterate for items as they come (Ctrl-C leaves it usable). `result` is there once `ended`; the error of a failed
    request is raised by whatever meets it first: iteration, `get`, or `result`.
    """

    def __init__(self, client: Client, id: int) -> None:
        self._client = client
        self._id = id
        self._items: deque[dict[str, Any]] = deque()
        self._reply: dict[str, Any] | None = None

    @property
    def id(self) -> int:
        """The request's id on its connection, by which other requests may name it."""
        return self._id

    @property
    def ended(self) -> bool:
        """Whether the reply has come and every item was taken."""
        return self._reply is not None and not self._items

    @property
    def has_news(self) -> bool:
        """Whether `take` or `result` has something to tell."""
        return bool(self._items) or self._reply is not None

    @property
    def result(self) -> Any:
        """The result; waits for it where it is not there yet, dropping items."""
        while self._reply is None:
            self._client._pump(None)
            self._items.clear()
        return _result(self._reply)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            item = self.get()
            if item is None:
                return
            yield item

    def get(self, timeout: float | None = None) -> dict[str, Any] | None:
        """The next item; None: the stream has ended (see `ended`), or nothing came within `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.has_news:
            if not self._client._pump(deadline):
                return None
        if self._items:
            return self._items.popleft()
        self.result  # noqa: B018 - raises when the request failed
        return None

    def take(self) -> list[dict[str, Any]]:
        """All items that are here, without waiting."""
        items = list(self._items)
        self._items.clear()
        return items

    def cancel(self) -> None:
        """Ask the daemon to end the request; its reply is then the error `request.cancelled`, unless it was quicker."""
        if self._reply is None:
            self._client._send(self._client._next_id(), CancelRequest(id=self._id))


class Client:
    """One connection to a daemon; several requests may be under way on it. Not for several threads at once."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._last_id = 0
        self._streams: dict[int, Stream] = {}
        self._replies: dict[int, dict[str, Any]] = {}
        self._awaited: set[int] = set()
        self._hello: dict[str, Any] | None = None
        # A program that has blocked the signal itself must find it blocked afterwards.
        self._shield = signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            self.hello = self._greeting()
        except BaseException:
            transport.close()
            raise
        """what the daemon said first: protocol version epoch pid"""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, request: Request, *, timeout: float | None = CALL_TIMEOUT) -> Any:
        """The result of a request; items of a streaming one are dropped. Raises RemoteError, NoAnswer, ConnectionLost."""
        if request.streams:
            return self._call_streaming(request, timeout)
        id = self._next_id()
        self._awaited.add(id)
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            self._send(id, request)
            while id not in self._replies:
                if not self._pump(deadline):
                    raise NoAnswer(f"the daemon has not answered {request.method} within {timeout:g} s")
            return _result(self._replies[id])
        finally:
            self._awaited.discard(id)
            self._replies.pop(id, None)

    def stream(self, request: Request) -> Stream:
        """The items of a streaming request, as they come; of any other only the result."""
        id = self._next_id()
        stream = self._streams[id] = Stream(self, id)
        self._send(id, request)
        return stream

    def wait(self, *streams: Stream, timeout: float | None = None) -> Stream | None:
        """The first of these streams that has news (items, or its end); None: none within `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            for stream in streams:
                if stream.has_news:
                    return stream
            if not self._pump(deadline):
                return None

    def attend(self, descriptors: Collection[int]) -> list[int]:
        """Take in what has arrived, after waiting until something has, or until one of these can be read: those that can."""
        here = self._transport.ready(0)
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        if not here:
            poll.register(self._transport.fileno(), select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll(0 if here else None)]
        self._pump(time.monotonic())
        return [descriptor for descriptor in ready if descriptor in descriptors]

    def close(self) -> None:
        """Let go; the daemon ends what this connection still streams, never what it was asked to do."""
        self._transport.close()

    def _call_streaming(self, request: Request, timeout: float | None) -> Any:
        stream = self.stream(request)
        deadline = None if timeout is None else time.monotonic() + timeout
        while stream._reply is None:
            if not self._pump(deadline):
                raise NoAnswer(f"the daemon has not answered {request.method} within {timeout:g} s")
            stream.take()
        return stream.result

    def _greeting(self) -> dict[str, Any]:
        deadline = time.monotonic() + HELLO_TIMEOUT
        while self._hello is None:
            if not self._pump(deadline):
                raise Unreachable(f"the daemon said nothing within {HELLO_TIMEOUT:g} s")
        return self._hello

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _send(self, id: int, request: Request) -> None:
        text = json.dumps(request_frame(id, request), separators=(",", ":"))
        if len(text) > MAX_FRAME:
            raise RequestTooLarge(
                f"{request.method} needs {len(text):,} bytes and a request may have {MAX_FRAME:,}",
                hint="split the configuration into projects, or pass less of the environment (inherit_env)",
            )
        with self._uninterrupted():
            self._transport.send(text)

    def _pump(self, deadline: float | None) -> bool:
        """Take in what arrives next; False: nothing did before the deadline."""
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not self._transport.ready(left):
            return False
        with self._uninterrupted():
            for text in self._transport.receive():
                self._dispatch(json.loads(text))
        return True

    def _dispatch(self, message: dict[str, Any]) -> None:
        if message.get("method") == "stream":
            params = message["params"]
            stream = self._streams.get(params["id"])
            if stream is not None:
                stream._items.extend(params["items"])
        elif message.get("method") == "hello":
            self._hello = message["params"]
        elif message.get("id") in self._streams:
            self._streams.pop(message["id"])._reply = message
        elif message.get("id") in self._awaited:
            self._replies[message["id"]] = message

    @contextlib.contextmanager
    def _uninterrupted(self) -> Iterator[None]:
        """Keep Ctrl-C away while a message is half sent or half taken in: it comes right after.

        Nothing in here waits for the other side for long.
        """
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGINT)
            yield
        finally:
            if self._shield:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGINT)


def connect(
    directory: Path,
    *,
    start: bool,
    on_start: Callable[[], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
) -> Client:
    """A client of the daemon of this state directory.

    Where none runs, one is started if `start` says so; `on_start` is called before. Raises Unreachable (none runs, or it
    did not start: the message says why), Untrusted, VersionMismatch. `on_warning` gets sentences for the person; without
    it they go to stderr.
    """
    try:
        client = connect_running(directory)
    except Unreachable:
        if not start:
            raise
        from harness_core import summon

        client = summon.summon(directory, connect=lambda: connect_running(directory), on_start=on_start)
    _check_version(client, directory, on_warning or _to_stderr)
    return client


def connect_running(directory: Path) -> Client:
    """A client of a daemon that runs; `daemon.json` may be stale or just being replaced."""
    info = paths.read_daemon_file(directory)
    if info is None:
        raise Unreachable("no daemon runs here", hint="start one: harness daemon start")
    try:
        return Client(open_websocket(info.address, fingerprint=info.fingerprint, directory=directory))
    except (Impostor, Untrusted) as e:
        newer = paths.read_daemon_file(directory)
        if newer == info:
            raise
        if newer is None:
            raise Unreachable("the daemon ended just now", hint="start one: harness daemon start") from e
        return Client(open_websocket(newer.address, fingerprint=newer.fingerprint, directory=directory))


def _check_version(client: Client, directory: Path, warn: Callable[[str], None]) -> None:
    theirs, speaks = client.hello["version"], client.hello["protocol"]
    if speaks != PROTOCOL_VERSION:
        client.close()
        raise VersionMismatch(
            f"the daemon is harness {theirs} (protocol {speaks}), this is harness {__version__} (protocol {PROTOCOL_VERSION})",
            hint=f"make them one, services run on: {_upgrade(directory)}",
        )
    if theirs != __version__:
        warn(f"the daemon is harness {theirs}, this is harness {__version__}; to make them one: {_upgrade(directory)}")


def _upgrade(directory: Path) -> str:
    """What makes a daemon of another release one of ours."""
    info = paths.read_daemon_file(directory)
    elsewhere = info is not None and info.prefix != sys.prefix
    return "harness daemon upgrade" + (" --from-here" if elsewhere else "")


def _to_stderr(sentence: str) -> None:
    sys.stderr.write(f"warning: {sentence}\n")


def _result(reply: dict[str, Any]) -> Any:
    error = reply.get("error")
    if error is None:
        return reply["result"]
    data = dict(error.get("data") or {})
    raise RemoteError(data.pop("kind", "error"), error["message"], hint=data.pop("hint", None), data=data)


__all__ = ["Client", "ConnectionLost", "NoAnswer", "RemoteError", "RequestTooLarge", "Stream", "VersionMismatch", "connect",
           "connect_running"]  # fmt: skip
