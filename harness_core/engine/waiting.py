"""Waiting: until services reached what is wished, or can't any more; and the Outcome that says so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from harness_core.contracts.clock import Clock
from harness_core.contracts.events import State, exit_to_json
from harness_core.engine.standing import url_of
from harness_core.engine.states import LIVE
from harness_core.engine.supervisor import Supervisor
from harness_core.engine.view import Reach, reach

LAST_LINES = 10

Tail = Callable[[Supervisor, int], Awaitable[list[str]]]


async def until_reached(supervisors: Sequence[Supervisor], *, clock: Clock, timeout: float | None) -> bool:
    """Return once all are reached, or one can't be any more; True when `timeout` seconds were over first."""
    changed = asyncio.Event()
    deadline = None if timeout is None else clock.monotonic() + timeout
    with contextlib.ExitStack() as stack:
        for supervisor in supervisors:
            stack.enter_context(supervisor.watched_by(changed))
        pending: Sequence[Supervisor] = supervisors
        while True:
            changed.clear()
            now = clock.monotonic()
            if deadline is not None and now >= deadline:
                return True
            judged = [(supervisor, reach(supervisor.view, now=now)) for supervisor in pending]
            if any(verdict is Reach.FAILED for _, (verdict, _) in judged):
                return False
            # What was reached first may have been lost while the others got there: at the end all are looked at again.
            missing = [supervisor for supervisor, (verdict, _) in judged if verdict is not Reach.REACHED]
            if not missing and len(pending) == len(supervisors):
                return False
            pending = missing or supervisors
            looks = [again for _, (_, again) in judged if again is not None]
            wake = min([*looks, *([deadline] if deadline is not None else [])], default=None)
            if missing:
                await _wait(changed, None if wake is None else max(0.0, wake - now))


async def until_stopped(done: Sequence[asyncio.Event], *, timeout: float) -> bool:
    """Return once all orders are carried out; True when `timeout` seconds were over first."""
    try:
        async with asyncio.timeout(timeout):
            for event in done:
                await event.wait()
    except TimeoutError:
        return True
    return False


async def outcome(
    supervisors: Sequence[Supervisor],
    *,
    clock: Clock,
    already: Collection[str],
    timed_out: bool,
    tail: Tail,
    stopping: bool = False,
    waited: bool = True,
) -> dict[str, Any]:
    """The Outcome of a request: per service what was reached and what not."""
    services = []
    for supervisor in supervisors:
        reached, pending = _judge(supervisor, clock, stopping=stopping, waited=waited)
        services.append(
            {
                "name": supervisor.name,
                "reached": reached,
                "pending": pending,
                "already": supervisor.name in already,
                "state": str(supervisor.state),
                "reason": supervisor.reason,
                "exit": exit_to_json(supervisor.exit) if supervisor.exit else None,
                "endpoints": {e.name: url_of(e) for e in supervisor.endpoints if e.addresses},
                "last_lines": [] if reached or (pending and not timed_out) else await tail(supervisor, LAST_LINES),
            }
        )
    return {"reached": all(s["reached"] for s in services), "timed_out": timed_out, "services": services}


def _judge(supervisor: Supervisor, clock: Clock, *, stopping: bool, waited: bool) -> tuple[bool, bool]:
    """Whether it is reached, and if not, whether it still may be. Where nobody waited, what is on its way counts as reached."""
    if stopping:
        return not waited or _stopped(supervisor), False
    verdict, _ = reach(supervisor.view, now=clock.monotonic())
    pending = verdict is Reach.PENDING
    return verdict is Reach.REACHED or (pending and not waited), pending and waited


def _stopped(supervisor: Supervisor) -> bool:
    return supervisor.state not in LIVE and supervisor.state not in (State.BACKOFF, State.WAITING, State.BLOCKED)


async def _wait(event: asyncio.Event, timeout: float | None) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await event.wait()
