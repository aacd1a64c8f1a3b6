"""What holds between services."""

from __future__ import annotations

from typing import Any

import pytest

BASE = """
services:
  db: {type: process, command: db, ports: [5432, {name: admin, port: auto}], health_check: {tcp: 5432}}
  migrate: {type: process, command: migrate, oneshot: true}
  queue: {type: process, command: queue}
"""


def test_a_list_of_dependencies_says_what_each_can_reach(parsed: Any) -> None:
    services = parsed(BASE + "  a: {type: process, command: x, dependencies: [db, migrate, queue]}\n").project.services

    assert dict(services["a"].dependencies) == {"db": "healthy", "migrate": "completed", "queue": "started"}


def test_references_imply_a_start_unless_more_is_written(parsed: Any) -> None:
    project = parsed(
        BASE
        + "  a: {type: process, command: 'x ${db.url}', env: {Q: '${queue.host}'}, dependencies: {db: healthy}}\n"
        + "  b: {type: process, command: x, health_check: {http: '${db.port.admin}'}, labels: {x: '$${queue.port}'}}\n"
    ).project

    assert dict(project.services["a"].dependencies) == {"db": "healthy", "queue": "started"}
    assert dict(project.services["b"].dependencies) == {"db": "started"}


def test_own_ports_can_be_used_anywhere_and_all_of_it_in_the_check(parsed: Any) -> None:
    a = "type: process, command: 'x ${a.port} ${a.port.http}', ports: [{name: http, port: auto}]"
    services = parsed(f"services: {{a: {{{a}, health_check: {{http: 'http://${{a.host}}:${{a.port}}/'}}}}}}").project.services

    assert dict(services["a"].dependencies) == {}


@pytest.mark.parametrize(
    ("service", "message", "hint"),
    [
        ("dependencies: [dbb]", "service 'a' depends on 'dbb', which does not exist", "did you mean 'db'?"),
        ("dependencies: {queu: started}", "service 'a' depends on 'queu', which does not exist", "did you mean 'queue'?"),
        (
            "dependencies: {db: heathy}",
            "db can't be 'heathy': expected one of started, healthy, completed",
            "did you mean 'healthy'?",
        ),
        ("dependencies: [db, db]", "'db' is named twice", None),
        ("dependencies: {db: }", "db has no value: expected one of started, healthy, completed", None),
        ("dependencies: db", "dependencies: expected a list or a mapping, found 'db'", None),
        ("dependencies: [a]", "services depend on each other: a → a", None),
        (
            "dependencies: {queue: healthy}",
            "'a' waits for 'queue' to be healthy, but that has no health_check",
            "add a health_check to 'queue', or write started",
        ),
        (
            "dependencies: {db: completed}",
            "'a' waits for 'db' to be completed, but that is not a oneshot",
            "write `oneshot: true` in 'db', or wait for started or healthy",
        ),
        ("env: {A: '${dbb.port}'}", "${dbb.port}: no service 'dbb'", "did you mean 'db'?"),
        ("env: {A: '${db.port.admn}'}", "${db.port.admn}: 'db' has no port 'admn'", "did you mean 'admin'?"),
        ("env: {A: '${queue.port}'}", "${queue.port}: 'queue' has no ports", "add `ports` to 'queue'"),
        ("env: {A: '${db.host.admin}'}", "${db.host.admin}: 'host' takes no port name", "write ${db.host}"),
        (
            "ports: [1], env: {A: '${a.host}'}",
            "${a.host}: outside of its health_check a service can refer to its own ports alone",
            "write ${a.port}, and 127.0.0.1 or 0.0.0.0 for the host",
        ),
    ],
)
def test_what_can_not_be_between_services(only: Any, service: str, message: str, hint: str | None) -> None:
    problem = only(f"{BASE}  a: {{type: process, command: x, {service}}}\n")

    assert (problem.message, problem.hint) == (message, hint)
    assert problem.position.line == 6


def test_every_cycle_is_named(problems: Any) -> None:
    lines = [
        f"  {name}: {{type: process, command: x, dependencies: [{needs}]}}"
        for name, needs in {"a": "b", "b": "a, c", "c": "b", "d": "a", "e": "f", "f": "g", "g": "e"}.items()
    ]
    found = [p.message for p in problems("services:\n" + "\n".join(lines))]

    assert found == ["services depend on each other: " + loop for loop in ("a → b → a", "b → c → b", "e → f → g → e")]


def test_a_reference_to_what_starts_later_is_an_error(only: Any) -> None:
    problem = only(
        "services:\n"
        "  a: {type: process, command: x, env: {C: '${c.host}'}}\n"
        "  b: {type: process, command: x, dependencies: [a]}\n"
        "  c: {type: process, command: x, dependencies: [b]}\n"
    )

    assert problem.message == "${c.host}: 'c' starts later than 'a': c → b → a"
    assert (problem.kind, problem.position.line) == ("config.cycle", 2)


def test_of_two_references_to_each_other_the_second_is_wrong(only: Any) -> None:
    problem = only(
        "services:\n  a: {type: process, command: x, env: {B: '${b.host}'}}\n"
        "  b: {type: process, command: x, env: {A: '${a.host}'}}\n"
    )

    assert problem.message == "${a.host}: 'a' starts later than 'b': a → b"


def test_a_wrong_service_does_not_make_others_wrong(problems: Any) -> None:
    found = problems(
        "services:\n"
        "  a: 5\n"
        "  b: {type: nonsense, ports: [x], health_check: [x]}\n"
        "  c: {type: process, command: x, env: {A: '${a.host} ${b.port.x}'}, "
        "dependencies: {a: started, b: healthy}, restart: maybe}\n"
    )

    assert [(p.position.line, p.kind) for p in found] == [
        (2, "config.type"),
        (3, "config.unknown-type"),
        (3, "config.value"),
        (3, "config.type"),
        (4, "config.value"),
    ]


def test_a_chain_of_two_thousand_services_is_no_problem(parsed: Any) -> None:
    lines = [f"  s{i}: {{type: process, command: x, dependencies: [{f's{i - 1}' if i else ''}]}}" for i in range(2000)]

    assert len(parsed("services:\n" + "\n".join(lines)).project.services) == 2000


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("{type: process, command: x, ports: [80]}", "{type: process, command: y, ports: [80]}", True),
        ("{type: process, command: x, ports: ['80:1']}", "{type: process, command: y, ports: ['80:2']}", True),
        ("{type: container, image: x, ports: ['80:1']}", "{type: container, image: y, ports: ['80:2']}", True),
        ("{type: container, image: x, ports: [80]}", "{type: container, image: y, ports: [80]}", False),
        ("{type: process, command: x, ports: [80/udp]}", "{type: process, command: y, ports: [80]}", False),
        ("{type: process, command: x, ports: [auto]}", "{type: process, command: y, ports: [auto]}", False),
        ("{type: process, command: x, ports: ['80:1']}", "{type: container, image: y, ports: ['80:2']}", False),
        ("{type: watched, pid: 1, ports: [80]}", "{type: process, command: y, ports: [80]}", False),
    ],
)
def test_two_services_can_not_have_one_port(parsed: Any, only: Any, first: str, second: str, clash: bool) -> None:
    text = f"services:\n  a: {first}\n  b: {second}\n"
    if not clash:
        assert len(parsed(text).project.services) == 2
        return

    assert only(text).message == "port 80 of 'b' is taken by 'a'"


@pytest.mark.parametrize("name", ["A", "-a", "a b", "a/b", "", "x" * 64, "é", "a.port", "a.host.b", "a.url"])
def test_names_that_services_can_not_have(problems: Any, name: str) -> None:
    kinds = [p.kind for p in problems(f'services:\n  "{name}": {{type: process, command: x}}\n')]

    assert kinds == ["config.name"]


def test_names_with_dots_can_be_referred_to(parsed: Any) -> None:
    services = parsed(
        "services:\n  a.b: {type: process, command: x, ports: [{name: port, port: 1}]}\n"
        "  port: {type: process, command: x, ports: [2]}\n"
        "  a: {type: process, command: '${a.b.port} ${a.b.port.port} ${port.port}'}\n"
    ).project.services

    assert set(services["a"].dependencies) == {"a.b", "port"}
