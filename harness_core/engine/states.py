"""The one table of moves between states."""

from __future__ import annotations

from collections.abc import Mapping

from harness_core.contracts.events import State as S

_ENDED = frozenset({S.BACKOFF, S.FAILED, S.COMPLETED, S.STOPPED, S.LOST})
"""Where a run that ended by itself can lead."""

ALLOWED: Mapping[S, frozenset[S]] = {
    S.STOPPED: frozenset({S.WAITING, S.STARTING, S.BLOCKED, S.DRIVER_MISSING, S.FAILED}),
    S.WAITING: frozenset({S.STARTING, S.BLOCKED, S.STOPPED, S.FAILED}),
    S.BLOCKED: frozenset({S.WAITING, S.STARTING, S.STOPPED}),
    S.STARTING: _ENDED | {S.RUNNING, S.STOPPING, S.UNREACHABLE},
    S.RUNNING: _ENDED | {S.UNHEALTHY, S.STOPPING, S.UNREACHABLE},
    S.UNHEALTHY: _ENDED | {S.RUNNING, S.STOPPING, S.UNREACHABLE},
    S.UNREACHABLE: _ENDED | {S.RUNNING, S.UNHEALTHY, S.STARTING, S.STOPPING},
    S.STOPPING: _ENDED | {S.STOP_STUCK, S.UNREACHABLE},
    S.STOP_STUCK: frozenset({S.STOPPED, S.BACKOFF, S.FAILED}),
    S.COMPLETED: frozenset({S.WAITING, S.STARTING, S.BLOCKED, S.STOPPED}),
    S.BACKOFF: frozenset({S.WAITING, S.STARTING, S.BLOCKED, S.STOPPED, S.FAILED}),
    S.FAILED: frozenset({S.WAITING, S.STARTING, S.BLOCKED, S.STOPPED}),
    S.LOST: frozenset({S.WAITING, S.STARTING, S.BLOCKED, S.BACKOFF, S.FAILED, S.STOPPED}),
    S.DRIVER_MISSING: frozenset({S.STOPPED, S.WAITING, S.STARTING, S.BLOCKED}),
}

LIVE = frozenset({S.STARTING, S.RUNNING, S.UNHEALTHY, S.UNREACHABLE, S.STOPPING, S.STOP_STUCK})
"""States in which a run may exist."""

FINAL = frozenset({S.FAILED, S.DRIVER_MISSING, S.BLOCKED, S.STOP_STUCK})
"""States that a start that waits can't get out of by waiting."""


class ForbiddenMove(AssertionError):
    """A bug: the table does not know this move."""


def check_move(old: S, new: S) -> None:
    """Nothing, or ForbiddenMove."""
    if new not in ALLOWED[old]:
        raise ForbiddenMove(f"{old} -> {new}")
