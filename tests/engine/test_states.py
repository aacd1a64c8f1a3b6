"""The table of moves."""

from __future__ import annotations

import pytest

from harness_core.contracts.events import State
from harness_core.engine.states import ALLOWED, LIVE, ForbiddenMove, check_move


def test_every_state_has_a_row_and_none_moves_to_itself() -> None:
    assert set(ALLOWED) == set(State)
    for state, following in ALLOWED.items():
        assert state not in following


def test_every_state_can_be_reached_and_left_for_stopped() -> None:
    for state in State:
        assert any(state in following for following in ALLOWED.values()), state
        if state is not State.STOPPED:
            assert State.STOPPED in ALLOWED[state], state


def test_nothing_is_launched_while_a_run_may_still_live() -> None:
    for state in (State.RUNNING, State.UNHEALTHY, State.STOPPING, State.STOP_STUCK):
        assert state in LIVE
        assert State.STARTING not in ALLOWED[state], state


def test_a_move_that_is_not_in_the_table_is_a_bug() -> None:
    check_move(State.RUNNING, State.STOPPING)
    with pytest.raises(ForbiddenMove, match="running -> waiting"):
        check_move(State.RUNNING, State.WAITING)
