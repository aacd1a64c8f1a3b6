"""Profiles: what runs with which, and what can't depend on what is off."""

from __future__ import annotations

from typing import Any

import pytest

TEXT = """\
services:
  api: { type: process, command: x }
  trace: { type: process, command: x, profiles: [debug, full], dependencies: [seed] }
  seed: { type: process, command: x, profiles: [seed, full] }
"""


@pytest.mark.parametrize(
    ("profiles", "enabled"),
    [
        ((), ["api"]),
        (("seed",), ["api", "seed"]),
        (("full",), ["api", "trace", "seed"]),
        (("debug", "seed"), ["api", "trace", "seed"]),
        (("*",), ["api", "trace", "seed"]),
    ],
)
def test_a_service_with_profiles_runs_only_when_one_is_named(parsed: Any, profiles: tuple[str, ...], enabled: list[str]) -> None:
    assert parsed(TEXT, profiles=profiles).project.enabled() == enabled


def test_what_is_applied_remembers_its_profiles(parsed: Any) -> None:
    from harness_core.config.model import project_from_json, project_to_json

    project = project_from_json(project_to_json(parsed(TEXT, profiles=("seed",)).project))

    assert project.profiles == ("seed",)
    assert project.enabled() == ["api", "seed"]
    assert project.enabled(["full"]) == ["api", "trace", "seed"]


def test_profiles_are_no_part_of_the_definition(service: Any) -> None:
    assert service("profiles: [a]").digest == service("profiles: [b, c]").digest == service("env: {}").digest


def test_what_runs_can_not_depend_on_what_is_off(only: Any, parsed: Any) -> None:
    found = only(TEXT, profiles=("debug",))

    assert str(found.position).endswith("services.yaml:3:79")
    assert found.kind == "config.profile"
    assert found.message == "'trace' depends on 'seed', which runs only with the profile seed or full"
    assert found.hint == "name it: --profile seed; or write `profiles: [seed, full]` in 'trace' too, or take it from 'seed'"
    assert parsed(TEXT, profiles=("debug", "seed")).problems == ()


def test_a_reference_to_what_is_off_is_an_error_too(only: Any) -> None:
    text = "services:\n  a: { type: process, command: 'x ${b.port}' }\n"
    text += "  b: { type: process, command: x, ports: [80], profiles: [p] }\n"

    assert only(text).message == "'a' depends on 'b', which runs only with the profile p"
    assert only(text).position.line == 2


def test_an_unknown_profile_is_an_error_with_a_suggestion(only: Any) -> None:
    found = only(TEXT, profiles=("seed", "debgu", "full"))

    assert (found.kind, found.message, found.hint) == (
        "config.unknown-profile", "no service has the profile 'debgu'", "did you mean 'debug'?",
    )  # fmt: skip
    assert only(TEXT, profiles=("xyz",)).hint == "known: debug, full, seed"
    assert only("services: {}", profiles=("xyz",)).hint == "no service has `profiles`"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("profiles: debug", "profiles: expected a list, found 'debug'"),
        ("profiles: ['']", "profiles[0] can't be ''"),
        ("profiles: ['a b']", "profiles[0] can't be 'a b'"),
    ],
)
def test_wrong_profiles(only: Any, written: str, message: str) -> None:
    assert only(f"services: {{a: {{type: process, command: x, {written}}}}}").message == message
