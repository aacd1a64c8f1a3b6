"""Bus: one bounded stream of events for many readers; a slow reader loses its own oldest items and is told."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any, TypeVar

from harness_core.contracts.clock import Clock
from harness_core.contracts.events import Event

E = TypeVar("E", bound=Event)

HISTORY = 10_000
"""Events kept in memory, for readers that resume and for `events.list`."""


class Subscription:
    """The events of one reader, in batches of wire items. Iterate; `close` ends the iteration."""

    def __init__(self, bus: Bus, matches: Callable[[dict[str, Any]], bool], size: int) -> None:
        self._bus = bus
        self.matches = matches
        self._size = size
        self._items: deque[dict[str, Any]] = deque()
        self._lagged: tuple[int, int] | None = None
        self._ready = asyncio.Event()
        self._closed = False

    def put(self, item: dict[str, Any]) -> None:
        """Queue an item; when full, the oldest event goes and its seq is remembered."""
        if len(self._items) >= self._size:
            # A reset tells where everything stands: without it, what follows means nothing.
            index = 1 if self._items[0]["type"] == "reset" and len(self._items) > 1 else 0
            dropped = self._items[index]
            del self._items[index]
            if dropped["type"] == "event":
                seq = dropped["event"]["seq"]
                self._lagged = (self._lagged[0] if self._lagged else seq, seq)
        self._items.append(item)
        self._ready.set()

    def take(self) -> list[dict[str, Any]]:
        """What is queued now."""
        items = list(self._items)
        self._items.clear()
        self._ready.clear()
        if self._lagged:
            at = 1 if items and items[0]["type"] == "reset" else 0
            items.insert(at, {"type": "lagged", "from": self._lagged[0], "to": self._lagged[1]})
            self._lagged = None
        return items

    def close(self) -> None:
        """No more items; the iteration ends after what is queued."""
        self._closed = True
        self._bus.drop(self)
        self._ready.set()

    async def __aiter__(self) -> AsyncIterator[list[dict[str, Any]]]:
        while True:
            await self._ready.wait()
            items = self.take()
            if items:
                yield items
            if self._closed:
                return


class Bus:
    """Numbers events and hands them to subscriptions, the history and whoever listens."""

    def __init__(self, clock: Clock, *, last_seq: int = 0) -> None:
        self._clock = clock
        self.epoch = secrets.token_hex(8)
        self.seq = last_seq
        self.first_seq = last_seq + 1
        self._history: deque[dict[str, Any]] = deque(maxlen=HISTORY)
        self._subscriptions: set[Subscription] = set()
        self.listeners: list[Callable[[Event, dict[str, Any]], None]] = []

    def publish(self, kind: type[E], *, project: str, service: str | None = None, run: str | None = None, **fields: Any) -> E:
        """A new event with the next seq, handed to everybody."""
        self.seq += 1
        event = kind(project=project, service=service, run=run, seq=self.seq, at=self._clock.now(), **fields)
        body = event.to_json()
        self._history.append(body)
        item = {"type": "event", "event": body}
        for subscription in self._subscriptions:
            if subscription.matches(body):
                subscription.put(item)
        for listener in self.listeners:
            listener(event, body)
        return event

    def restore(self, bodies: Collection[dict[str, Any]]) -> None:
        """Fill the history with stored events of earlier daemons."""
        self._history.extend(bodies)

    def subscribe(
        self,
        *,
        project: str | None = None,
        services: Collection[str] | None = None,
        kinds: Collection[str] | None = None,
        epoch: str | None = None,
        after: int | None = None,
        size: int = 2000,
        state: Callable[[], list[dict[str, Any]]] = list,
    ) -> Subscription:
        """Events from now on; first those after (`epoch`, `after`) if they are still known, else a `reset` with `state()`.

        Without `epoch` and `after` there is neither.
        """
        subscription = Subscription(self, _filter(project, services, kinds), size)
        if epoch is not None or after is not None:
            if epoch == self.epoch and after is not None and self._knows(after):
                for body in self._history:
                    if body["seq"] > after and subscription.matches(body):
                        subscription.put({"type": "event", "event": body})
            else:
                subscription.put({"type": "reset", "epoch": self.epoch, "seq": self.seq, "services": state()})
        self._subscriptions.add(subscription)
        return subscription

    def drop(self, subscription: Subscription) -> None:
        """Forget a reader."""
        self._subscriptions.discard(subscription)

    def recent(
        self,
        *,
        project: str | None = None,
        services: Collection[str] | None = None,
        kinds: Collection[str] | None = None,
        limit: int = 200,
    ) -> list[dict[str, Any]]:
        """The newest `limit` events that match, oldest first."""
        matches = _filter(project, services, kinds)
        found: list[dict[str, Any]] = []
        for body in reversed(self._history):
            if len(found) >= limit:
                break
            if matches(body):
                found.append(body)
        return found[::-1]

    def _knows(self, after: int) -> bool:
        oldest = self._history[0]["seq"] if self._history else self.seq + 1
        return oldest - 1 <= after <= self.seq


def _filter(
    project: str | None, services: Collection[str] | None, kinds: Collection[str] | None
) -> Callable[[dict[str, Any]], bool]:
    names = None if services is None else frozenset(services)
    wanted = None if kinds is None else frozenset(kinds)

    def matches(body: dict[str, Any]) -> bool:
        return (
            (project is None or body["project"] == project)
            and (names is None or body["service"] in names or body["service"] is None)
            and (wanted is None or body["kind"] in wanted)
        )

    return matches
