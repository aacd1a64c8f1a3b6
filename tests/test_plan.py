"""Plans: from what is to what is wanted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness_core.config.model import ProjectConfig, project_from_json
from harness_core.contracts.events import State
from harness_core.plan import (
    ACTIVE,
    STALLED,
    Action,
    Observed,
    changed_keys,
    plan_apply,
    plan_start,
    plan_stop,
    running_dependents,
)

BLOCK: dict[str, Any] = {
    "type": "fake", "config": {}, "command": None, "env": {}, "inherited_env": {}, "dependencies": {}, "health_check": None,
    "restart": {"when": "no", "backoff": 0.5, "max_backoff": 60.0, "max_restarts": 5, "window": 60.0},
    "stop": {"signal": None, "timeout": 10.0, "command": None}, "oneshot": False, "startup_timeout": 60.0, "layers": [],
    "ports": [], "labels": {}, "limits": {"memory": None, "cpu": None, "pids": None, "nofile": None},
    "logs": {"merge": False, "max_size": 1, "keep": 1, "keep_runs": 1}, "network": None, "description": "", "secrets": [],
    "base_dir": "/",
}  # fmt: skip
CHAIN = {"web": {"dependencies": {"api": "started"}}, "api": {"dependencies": {"db": "started"}}, "db": {}}


def project(services: dict[str, dict[str, Any]]) -> ProjectConfig:
    blocks = {name: {**BLOCK, **keys} for name, keys in services.items()}
    return project_from_json({"id": "p", "name": "p", "path": "", "description": "", "services": blocks, "networks": {}})


def all_in(config: ProjectConfig, state: State, **other: State) -> dict[str, Observed]:
    return {name: Observed(other.get(name, state), service.digest) for name, service in config.services.items()}


def told(steps: Any) -> list[tuple[str, str, str]]:
    return [(step.service, str(step.action), step.reason) for step in steps]


def test_all_that_is_new_is_started_in_order() -> None:
    assert told(plan_apply(None, project(CHAIN), {}, list(CHAIN))) == [
        ("db", "start", "new"), ("api", "start", "new"), ("web", "start", "new"),
    ]  # fmt: skip


def test_only_what_is_wanted_and_what_that_needs_is_started() -> None:
    assert [(s.service, s.action) for s in plan_apply(None, project(CHAIN), {}, ["api"])] == [
        ("db", Action.START), ("api", Action.START), ("web", Action.KEEP),
    ]  # fmt: skip


def test_what_changed_restarts_and_says_in_what_and_the_rest_is_kept() -> None:
    old = project(CHAIN)
    new = project({**CHAIN, "api": {**CHAIN["api"], "env": {"A": "1"}, "oneshot": True}})

    assert told(plan_apply(old, new, all_in(old, State.RUNNING), None)) == [
        ("db", "keep", "already running"), ("api", "restart", "changed: env, oneshot"), ("web", "keep", "already running"),
    ]  # fmt: skip


def test_order_of_keys_inherited_environment_and_description_change_nothing() -> None:
    old = project({"a": {"env": {"X": "1", "Y": "2"}}})
    new = project({"a": {"env": {"Y": "2", "X": "1"}, "inherited_env": {"PATH": "/x"}, "description": "new"}})

    assert [s.action for s in plan_apply(old, new, all_in(old, State.RUNNING), None)] == [Action.KEEP]
    assert changed_keys(old.services["a"], new.services["a"]) == []


def test_removals_come_first_and_dependents_before_what_they_need() -> None:
    old = project(CHAIN)
    new = project({"other": {"env": {"A": "1"}}})

    assert [(s.service, s.action) for s in plan_apply(old, new, all_in(old, State.RUNNING), ["other"])] == [
        ("web", Action.REMOVE), ("api", Action.REMOVE), ("db", Action.REMOVE), ("other", Action.START),
    ]  # fmt: skip


def test_a_rename_is_said_to_be_one() -> None:
    old, new = project({"a": {"env": {"X": "1"}}}), project({"b": {"env": {"X": "1"}}})

    assert told(plan_apply(old, new, all_in(old, State.RUNNING), ["b"]))[0] == (
        "a", "remove", "renamed to 'b': stops here and starts there",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "action"),
    [
        (State.STOPPED, Action.START), (State.FAILED, Action.START), (State.STOPPING, Action.START),
        (State.DRIVER_MISSING, Action.START), (State.STOP_STUCK, Action.START), (State.BLOCKED, Action.START),
        (State.COMPLETED, Action.KEEP), *[(state, Action.KEEP) for state in sorted(ACTIVE - STALLED)],
    ],
)  # fmt: skip
def test_a_start_touches_only_what_is_not_up(state: State, action: Action) -> None:
    config = project({"a": {}})

    assert [s.action for s in plan_start(config, all_in(config, state), None)] == [action]


def test_a_oneshot_that_completed_as_something_else_runs_again() -> None:
    config = project({"a": {"oneshot": True}})

    [step] = plan_start(config, {"a": Observed(State.COMPLETED, "another digest")}, ["a"])

    assert (step.action, step.reason) == (Action.START, "its definition changed")


def test_what_still_runs_and_is_not_wanted_any_more_is_started_again() -> None:
    config = project({"a": {}})
    seen = {"a": Observed(State.RUNNING, config.services["a"].digest, wanted=False)}

    assert plan_start(config, seen, None)[0].action is Action.START


def test_a_stop_goes_backwards_and_leaves_what_is_stopped() -> None:
    config = project(CHAIN)

    assert told(plan_stop(config, all_in(config, State.RUNNING, api=State.STOPPED), None)) == [
        ("web", "stop", "asked to stop"), ("api", "keep", "already stopped"), ("db", "stop", "asked to stop"),
    ]  # fmt: skip


def test_dependents_that_run_are_found_also_at_a_distance() -> None:
    config = project(CHAIN)

    assert running_dependents(config, all_in(config, State.RUNNING), ["db"]) == ["api", "web"]
    assert running_dependents(config, all_in(config, State.RUNNING, api=State.FAILED), ["db"]) == ["web"]
    assert running_dependents(config, all_in(config, State.RUNNING), ["db", "api", "web"]) == []


PROFILES = {"api": {}, "trace": {"profiles": ["debug"], "dependencies": {"seed": "started"}}, "seed": {"profiles": ["seed"]}}


def with_profiles(*profiles: str) -> ProjectConfig:
    return replace(project(PROFILES), profiles=profiles)


def test_what_is_off_is_neither_started_nor_counted_unless_it_is_named() -> None:
    config = with_profiles()

    steps = plan_apply(None, config, {}, config.enabled())
    named = plan_apply(None, config, {}, ["trace"])

    assert [(s.service, s.action, s.off) for s in steps] == [
        ("api", Action.START, False), ("seed", Action.KEEP, True), ("trace", Action.KEEP, True),
    ]  # fmt: skip
    assert steps[2].reason == "off: runs only with the profile debug"
    assert [(s.service, s.action, s.off) for s in named if s.action is Action.START] == [
        ("seed", Action.START, False), ("trace", Action.START, False),
    ]  # fmt: skip


def test_what_runs_goes_on_without_its_profile_and_restarts_when_it_changed() -> None:
    config = with_profiles()
    changed = replace(project({**PROFILES, "seed": {"profiles": ["seed"], "env": {"A": "1"}}}))
    up = all_in(config, State.RUNNING)

    assert told(plan_apply(config, changed, up, changed.enabled())) == [
        ("api", "keep", "already running"), ("seed", "restart", "changed: env"), ("trace", "keep", "already running"),
    ]  # fmt: skip


def test_a_start_of_all_goes_by_the_applied_profiles_and_those_of_the_request() -> None:
    def started(config: ProjectConfig, names: list[str] | None, *profiles: str) -> list[str]:
        return [s.service for s in plan_start(config, all_in(config, State.STOPPED), names, profiles=profiles)]

    assert started(with_profiles(), None) == ["api"]
    assert started(with_profiles("seed"), None) == ["api", "seed"]
    assert started(with_profiles(), None, "debug") == ["api", "seed", "trace"]
    assert started(with_profiles(), ["trace"]) == ["seed", "trace"]
