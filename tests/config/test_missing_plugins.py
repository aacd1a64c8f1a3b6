"""A plugin that is known and can't be used: an error to `validate`, a warning where the other services are to be run."""

from __future__ import annotations

from typing import Any

import pytest

from harness_core.config.bundle import Bundle, SourceFile
from harness_core.config.problem import InvalidConfig
from harness_core.config.validate import Parsed, parse
from harness_core.contracts.offer import Capability, Offer
from harness_core.plugins import Catalog, DisabledPlugin

PROCESS = {"process": Offer("process", "a stand-in", lambda context: None, capabilities=frozenset(Capability))}
BARE = Catalog(executors=PROCESS)
DISABLED = Catalog(executors=PROCESS, disabled=(DisabledPlugin("harness-plugin-hologram", "1", "hologram"),))


def read(services: str, catalog: Catalog = BARE, *, lenient: bool = True) -> Parsed:
    return parse(Bundle((SourceFile("/shop/services.yaml", f"services:\n{services}"),)), catalog, lenient=lenient)


CHECKED = "  a: {type: process, command: run, ports: [80], health_check: {%s, interval: 1s}}\n"


@pytest.mark.parametrize(
    ("check", "name", "config"),
    [
        ("http: 'http://${a.host}:${a.port}/'", "http", "http://${a.host}:${a.port}/"),
        ("tcp: {port: 80, timeout: 5}", "tcp", {"port": 80}),
        ("command: pg_isready, args: [-U, me]", "command", {"command": "pg_isready", "args": ["-U", "me"]}),
    ],
)
def test_a_check_of_ours_that_is_not_installed_stays_what_was_written(check: str, name: str, config: Any) -> None:
    found = read(CHECKED % check)

    (problem,) = found.problems
    health = found.project.services["a"].health_check
    assert (problem.severity, problem.kind, problem.position.line) == ("warning", "config.plugin-missing", 2)
    assert problem.message == f"no health check '{name}'; no health check is installed"
    assert problem.hint == "pip install harness-plugin-health"
    assert health is not None
    assert (health.check, health.config, health.interval) == (name, config, 1.0)


def test_so_does_a_layer() -> None:
    found = read("  a: {type: process, command: run, layers: [{type: sudo, user: root}]}\n")

    assert [p.kind for p in found.problems] == ["config.plugin-missing"]
    assert [(layer.type, layer.config) for layer in found.project.services["a"].layers] == [("sudo", {"user": "root"})]


def test_so_does_an_executor_and_what_is_only_its_own_is_not_doubted() -> None:
    keys = "type: hologram, lens: 3, depth: {near: 1}, env: {API_KEY: abcdefgh}, pin_password: opensesame"
    found = read(f"  a: {{{keys}}}\n  b: {{type: process, command: 'run ${{a.port}}'}}\n", DISABLED)

    service = found.project.services["a"]
    assert [p.message for p in found.problems] == ["no executor 'hologram': plugin harness-plugin-hologram is disabled"]
    assert (service.type, service.command) == ("hologram", None)
    assert service.config["lens"] == 3
    assert {"abcdefgh", "opensesame"} <= set(service.secrets)


def test_core_keys_beside_it_are_checked_all_the_same() -> None:
    with pytest.raises(InvalidConfig) as raised:
        read(CHECKED % "http: x, intervall: 3" + "  c: {type: process, command: run, restart: sometimes}\n")

    assert [p.severity for p in raised.value.problems].count("error") == 2


def test_to_validate_it_is_an_error() -> None:
    with pytest.raises(InvalidConfig) as raised:
        read(CHECKED % "http: x", lenient=False)

    assert [p.kind for p in raised.value.problems] == ["config.unknown-type"]


@pytest.mark.parametrize("wrong", ["type: proces, command: x", "type: process, command: x, health_check: {htp: x}"])
def test_a_name_that_nobody_knows_is_an_error_everywhere(wrong: str) -> None:
    with pytest.raises(InvalidConfig):
        read(f"  a: {{{wrong}}}\n")
