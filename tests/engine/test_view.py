"""What a service looks like to those who wait for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness_core.config.model import Condition
from harness_core.contracts.events import HealthState, State
from harness_core.contracts.run import Exit
from harness_core.engine.view import Reach, View, gate, reach, satisfied

STARTED, HEALTHY, COMPLETED = Condition.STARTED, Condition.HEALTHY, Condition.COMPLETED


@pytest.fixture
def view(bench: Any) -> Callable[..., View]:
    def make(state: State, *, check: bool = False, oneshot: bool = False, **keys: Any) -> View:
        block = {"health_check": bench.health() if check else None, "oneshot": oneshot}
        config = bench.project({"db": block}).services["db"]
        made = View(config, state, HealthState.NONE, "", None, wanted=True, busy=False, running_since=0.0)
        return replace(made, **keys)

    return make


def test_which_conditions_a_state_satisfies(view: Callable[..., View]) -> None:
    table = {
        State.RUNNING: {STARTED}, State.UNHEALTHY: {STARTED}, State.COMPLETED: {STARTED, COMPLETED},
    }  # fmt: skip
    for state in State:
        assert {c for c in Condition if satisfied(c, view(state))} == table.get(state, set()), state
    assert satisfied(HEALTHY, view(State.RUNNING, health=HealthState.HEALTHY))
    assert not satisfied(HEALTHY, view(State.UNREACHABLE, health=HealthState.HEALTHY))
    for condition in Condition:
        assert not satisfied(condition, view(State.RUNNING, health=HealthState.HEALTHY, busy=True))


@pytest.mark.parametrize(
    ("state", "keys", "told"),
    [
        (State.FAILED, {"reason": "crash loop"}, "db failed: crash loop"),
        (State.BLOCKED, {"reason": "x failed"}, "db is blocked: x failed"),
        (State.DRIVER_MISSING, {"reason": "no executor 'x'"}, "db no executor 'x'"),
        (State.STOP_STUCK, {"reason": "pid 1"}, "db can't be stopped: pid 1"),
        (State.STOPPED, {"wanted": False}, "db is stopped"),
        (State.STOPPED, {"exit": Exit(0)}, "db ended: exited with code 0"),
    ],
)
def test_a_dependency_that_will_not_come_blocks_and_is_named(
    view: Callable[..., View], state: State, keys: dict[str, Any], told: str
) -> None:
    assert gate({"db": STARTED}, {"db": view(state, **keys)}).blocked == told


def test_a_gate_names_all_that_is_waited_for(view: Callable[..., View]) -> None:
    found = gate({"a": STARTED, "b": HEALTHY}, {"a": view(State.STARTING), "b": view(State.RUNNING, health=HealthState.STARTING)})

    assert found.waiting == "waiting for a to be started (starting), b to be healthy (running, health starting)"
    assert gate({"ghost": STARTED}, {}).blocked == "ghost does not exist"
    assert gate({"job": HEALTHY}, {"job": view(State.COMPLETED)}).blocked == "job has completed, so it can't be healthy"


def test_reached_is_running_for_a_while_or_healthy_or_completed(view: Callable[..., View], monkeypatch: Any) -> None:
    from harness_core.engine import view as module

    monkeypatch.setattr(module, "SETTLE", 1.0)
    assert reach(view(State.RUNNING, running_since=9.5), now=10.0) == (Reach.PENDING, 10.5)
    assert reach(view(State.RUNNING, running_since=9.0), now=10.0)[0] is Reach.REACHED
    assert reach(view(State.RUNNING, check=True), now=10.0)[0] is Reach.PENDING
    assert reach(view(State.RUNNING, check=True, health=HealthState.HEALTHY), now=10.0)[0] is Reach.REACHED
    assert reach(view(State.RUNNING, oneshot=True), now=99.0)[0] is Reach.PENDING
    assert reach(view(State.COMPLETED), now=0)[0] is Reach.REACHED


def test_what_can_not_be_reached_any_more_is_failed(view: Callable[..., View]) -> None:
    for state in (State.FAILED, State.BLOCKED, State.DRIVER_MISSING, State.STOP_STUCK):
        assert reach(view(state), now=0)[0] is Reach.FAILED, state
    assert reach(view(State.STOP_STUCK, busy=True), now=0)[0] is Reach.FAILED
    assert reach(view(State.FAILED, busy=True), now=0)[0] is Reach.PENDING
    assert reach(view(State.STOPPED, wanted=False), now=0)[0] is Reach.FAILED
    assert reach(view(State.STOPPED), now=0)[0] is Reach.PENDING
