"""The one table of moves between states."""

from __future__ import annotations

from collections.abc import Mapping

from harness_core.contracts.events import State

_ENDED = frozenset({State.BACKOFF, State.FAILED, State.COMPLETED, State.STOPPED, State.LOST})
"""Where a run that ended by itself can lead."""

ALLOWED: Mapping[State, frozenset[State]] = {
    State.STOPPED: frozenset({State.WAITING, State.STARTING, State.BLOCKED, State.DRIVER_MISSING, State.FAILED}),
    State.WAITING: frozenset({State.STARTING, State.BLOCKED, State.STOPPED, State.FAILED, State.DRIVER_MISSING}),
    State.BLOCKED: frozenset({State.WAITING, State.STARTING, State.STOPPED, State.DRIVER_MISSING}),
    State.STARTING: _ENDED | {State.RUNNING, State.STOPPING, State.UNREACHABLE, State.STOP_STUCK},
    State.RUNNING: _ENDED | {State.UNHEALTHY, State.STOPPING, State.UNREACHABLE, State.STOP_STUCK},
    State.UNHEALTHY: _ENDED | {State.RUNNING, State.STOPPING, State.UNREACHABLE, State.STOP_STUCK},
    State.UNREACHABLE: _ENDED | {State.RUNNING, State.UNHEALTHY, State.STARTING, State.STOPPING, State.STOP_STUCK},
    State.STOPPING: _ENDED | {State.STOP_STUCK, State.UNREACHABLE},
    State.STOP_STUCK: frozenset({State.STOPPED, State.BACKOFF, State.FAILED}),
    State.COMPLETED: frozenset({State.WAITING, State.STARTING, State.BLOCKED, State.STOPPED, State.DRIVER_MISSING}),
    State.BACKOFF: frozenset({State.WAITING, State.STARTING, State.BLOCKED, State.STOPPED, State.FAILED, State.DRIVER_MISSING}),
    State.FAILED: frozenset({State.WAITING, State.STARTING, State.BLOCKED, State.STOPPED, State.DRIVER_MISSING}),
    State.LOST: frozenset(
        {State.WAITING, State.STARTING, State.BLOCKED, State.BACKOFF, State.FAILED, State.STOPPED, State.DRIVER_MISSING}
    ),
    State.DRIVER_MISSING: frozenset({State.STOPPED, State.WAITING, State.STARTING, State.BLOCKED}),
}

LIVE = frozenset({State.STARTING, State.RUNNING, State.UNHEALTHY, State.UNREACHABLE, State.STOPPING, State.STOP_STUCK})
"""States in which a run may exist."""

FINAL = frozenset({State.FAILED, State.DRIVER_MISSING, State.BLOCKED, State.STOP_STUCK})
"""States that a start that waits can't get out of by waiting."""


class ForbiddenMove(AssertionError):
    """A bug: the table does not know this move."""


def check_move(old: State, new: State) -> None:
    """Nothing, or ForbiddenMove."""
    if new not in ALLOWED[old]:
        raise ForbiddenMove(f"{old} -> {new}")
