"""Reading on: log and event streams that go on where they were after the daemon was away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness_core.cli.session import Session
from harness_core.protocol import ListEvents, ReadLogs, SubscribeEvents, WatchRegistry

if TYPE_CHECKING:
    from harness_core.client import Client
    from harness_core.transport import ConnectionLost

PATIENCE = 30.0
"""Seconds that a daemon may be away before whoever follows it gives up."""
_PAUSE = 0.3
_BEAT = 10.0
_HISTORY = 10_000
"""As many past events as the daemon keeps."""
IDLE = 1.0
"""Seconds after which a follower that got nothing is given an empty batch."""


class LogFollow:
    """What was read of the logs, so that reading can go on exactly there."""

    def __init__(self, request: ReadLogs) -> None:
        self._request = request
        self._cursors: dict[str, str] = dict(request.cursors or {})
        self._began: str | None = None

    def request(self) -> ReadLogs:
        """The request to send now: the first, or one that goes on after what was read."""
        if self._began is None:
            self._began = datetime.now(UTC).isoformat()
            return self._request
        # A service that has no cursor had said nothing yet: of it, everything since the beginning is news.
        since = self._request.since if self._request.tail is None else self._began
        return self._request.but(cursors=self._cursors, since=since, tail=None)

    def take(self, item: Mapping[str, Any]) -> None:
        """Remember that this was read."""
        if item["type"] == "log":
            self._cursors[item["service"]] = item["cursor"]


class EventFollow:
    """What was read of the events, so that reading can go on exactly there."""

    def __init__(self, request: SubscribeEvents, *, limit: int = 0) -> None:
        self._request = request
        self._limit = limit
        self._last: int | None = None

    def missed(self, client: Client) -> tuple[list[dict[str, Any]], SubscribeEvents]:
        """Past events that were not seen yet, and the request for what comes after them."""
        asked = self._request
        limit = max(self._limit, 1) if self._last is None else _HISTORY
        known = client.call(ListEvents(project=asked.project, services=asked.services, kinds=asked.kinds, limit=limit))
        if self._last is None:
            events = known["events"] if self._limit else []
        else:
            # Numbers go on from daemon to daemon; smaller ones mean that its history began anew.
            events = [e for e in known["events"] if e["seq"] > self._last or known["seq"] < self._last]
        self._last = known["seq"]
        items = [{"type": "event", "event": event} for event in events]
        return items, asked.but(epoch=known["epoch"], after=known["seq"])

    def take(self, item: Mapping[str, Any]) -> None:
        """Remember that this was read."""
        if item["type"] == "event":
            self._last = item["event"]["seq"]


def log_batches(session: Session, request: ReadLogs) -> Iterator[list[dict[str, Any]]]:
    """Items of the logs in batches, over restarts of the daemon; with `follow`, empty ones where nothing came for a second."""
    reading = LogFollow(request)

    def read(client: Client) -> Iterator[list[dict[str, Any]]]:
        stream = client.stream(reading.request())
        while not stream.ended:
            client.wait(stream, timeout=IDLE if request.follow else None)
            items = stream.take()
            for item in items:
                reading.take(item)
            yield items
        stream.result  # noqa: B018 – raises when the daemon could not read

    return _over_restarts(session, read) if request.follow else read(session.client())


def event_batches(session: Session, request: SubscribeEvents, *, limit: int) -> Iterator[list[dict[str, Any]]]:
    """The last `limit` events, then new ones, over restarts of the daemon."""
    reading = EventFollow(request, limit=limit)

    def read(client: Client) -> Iterator[list[dict[str, Any]]]:
        missed, going_on = reading.missed(client)
        yield missed
        stream = client.stream(going_on)
        while not stream.ended:
            client.wait(stream)
            items = stream.take()
            for item in items:
                reading.take(item)
            yield items
        stream.result  # noqa: B018 – raises when the daemon ended it with an error

    return _over_restarts(session, read)


def record_batches(session: Session, request: WatchRegistry) -> Iterator[list[dict[str, Any]]]:
    """Records of the registry in batches as they change, over restarts of the daemon; none is given twice in a row."""
    told: dict[tuple[str, str], dict[str, Any]] = {}

    def read(client: Client) -> Iterator[list[dict[str, Any]]]:
        stream = client.stream(request)
        while not stream.ended:
            client.wait(stream)
            # Another daemon begins with a record of everything.
            news = [item for item in stream.take() if told.get((item["project"], item["service"])) != item]
            told.update({(item["project"], item["service"]): item for item in news})
            yield news
        stream.result  # noqa: B018 – raises when the daemon ended it with an error

    return _over_restarts(session, read)


def reconnect(
    session: Session,
    error: ConnectionLost,
    *,
    say: Callable[[str], None] | None = None,
    check: Callable[[], None] | None = None,
) -> None:
    """Connect anew after `error`, for as long as PATIENCE; a daemon that was killed is started again.

    `check` is called now and then, and may raise to end it.
    """
    from harness_core.transport import Unreachable

    say = say or session.output.say
    say(f"the daemon went away ({error.message}); connecting again")
    session.close()
    began = said = time.monotonic()
    while True:
        time.sleep(_PAUSE)
        if check is not None:
            check()
        if time.monotonic() - said >= _BEAT:
            said = time.monotonic()
            say(f"still waiting for a daemon, {said - began:.0f}s; giving up after {PATIENCE:g}s")
        try:
            session.client(start=not error.told)  # where somebody ended it, nobody but a person starts it again
            say("connected again")
            return
        except Unreachable:
            if time.monotonic() - began >= PATIENCE:
                raise


def _over_restarts(session: Session, read: Callable[[Client], Iterator[list[dict[str, Any]]]]) -> Iterator[list[dict[str, Any]]]:
    from harness_core.transport import ConnectionLost  # not before it is needed: help and completion do without

    while True:
        try:
            yield from read(session.client())
            return
        except ConnectionLost as e:
            reconnect(session, e)
