"""Standing: how one service stands, for all who look at it: its state, its runs, and who is told when that changes.

The half of a supervisor that others see. It decides nothing: it moves by the table, tells the bus, and wakes who watches.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from harness_core.config.model import ServiceConfig
from harness_core.contracts.events import HealthState, State, StateChanged
from harness_core.contracts.place import Endpoint
from harness_core.contracts.run import Exit
from harness_core.engine.launching import DIGEST_LABEL
from harness_core.engine.orders import Order
from harness_core.engine.run import Run
from harness_core.engine.states import check_move
from harness_core.engine.store import Wish
from harness_core.engine.view import View
from harness_core.engine.world import World
from harness_core.mask import mask


class Standing:
    """One service as others see it."""

    # A daemon may have a thousand of these: a dictionary each would be a kilobyte and a half.
    __slots__ = (
        "_due", "_obeying", "_orders", "_outcome", "_watchers", "_world", "by", "config", "endpoints", "exit", "health", "notes",
        "ports", "project", "reason", "restarts", "run", "runs", "state", "state_since", "wanted",
    )  # fmt: skip

    def __init__(self, project: str, config: ServiceConfig, *, world: World, wish: Wish) -> None:
        self.project = project
        self.config = config
        self.wanted = wish.up
        self.ports: dict[str, int] = dict(wish.ports or {})
        self.state = State.STOPPED
        self.health = HealthState.NONE
        self.reason = ""
        self.exit: Exit | None = None
        self.restarts = 0
        self.endpoints: tuple[Endpoint, ...] = ()
        self.run: Run | None = None
        # Lists, though they are used as queues: they are short, and an empty deque has 740 bytes.
        self.runs: list[Run] = []
        """Every run whose output can still be read, oldest first; the present one included."""
        self.by = ""
        self.state_since = world.clock.now()
        self.notes: tuple[str, ...] = ()
        self._world = world
        self._orders: list[Order] = []
        self._obeying: Order | None = None
        self._due = False
        self._outcome = wish.outcome
        self._watchers: set[asyncio.Event] = set()

    @property
    def name(self) -> str:
        """The service's name."""
        return self.config.name

    @property
    def pending(self) -> bool:
        """Whether a start was asked for that has not begun, whatever the state still says."""
        return self._due or bool(self._orders)

    @property
    def busy(self) -> bool:
        """Whether something that was asked for has not begun yet: its state is still that of before."""
        return self._obeying is not None or bool(self._orders) or self._due

    @property
    def acting(self) -> str | None:
        """Who is being obeyed now, and in what; for those who must queue."""
        order = self._obeying
        return f"{order.kind} asked by {order.by}" if order else None

    @property
    def view(self) -> View:
        """This service now."""
        since = self.run.since if self.run and self.state in (State.RUNNING, State.UNHEALTHY) else None
        return View(self.config, self.state, self.health, self.reason, self.exit, self.wanted, self.busy, since)

    @property
    def definition(self) -> str:
        """The digest of the definition that the present run was launched with; without a run, of the configuration."""
        if self.run is not None:
            return self.definition_of(self.run)
        return self._outcome.digest if self._outcome is not None else self.config.digest

    def definition_of(self, run: Run) -> str:
        """The digest of the definition that a run was launched with."""
        return run.spec.labels.get(DIGEST_LABEL, self.config.digest)

    @property
    def wish(self) -> Wish:
        """What to remember of this service."""
        return Wish(up=self.wanted, outcome=self._outcome, ports=self.ports)

    @contextlib.contextmanager
    def watched_by(self, event: asyncio.Event) -> Iterator[None]:
        """Set `event` whenever the view changes."""
        self._watchers.add(event)
        try:
            yield
        finally:
            self._watchers.discard(event)

    @property
    def secrets(self) -> frozenset[str]:
        """Values that must never be shown; those made from references as the kept runs had them."""
        return self.config.secrets.union(*(run.spec.secrets for run in self.runs))

    def masked(self, text: str) -> str:
        """The text without this service's secrets."""
        return str(mask(text, self.secrets))

    def _move(self, new: State, reason: str = "") -> None:
        # From here on the state itself tells how far the start has come.
        self._due = False
        if new is self.state:
            if reason != self.reason:
                self.reason = reason
                self._changed()
            return
        check_move(self.state, new)
        old, self.state, self.reason = self.state, new, reason
        self.state_since = self._world.clock.now()
        self._publish(StateChanged, old=old, new=new, reason=reason)
        self._changed()

    def _publish(self, kind: type[Any], *, run: str | None = None, **fields: Any) -> None:
        present = self.run.id if self.run else None
        self._world.bus.publish(kind, project=self.project, service=self.name, run=run or present, **fields)

    def _changed(self) -> None:
        for event in self._watchers:
            event.set()


def url_of(endpoint: Endpoint) -> str:
    """An endpoint as people write it, by its first address."""
    address = endpoint.addresses[0]
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{endpoint.protocol}://{host}:{address.port}"
