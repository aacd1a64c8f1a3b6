"""A whole file: identity, the top, all problems at once."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_core.config.bundle import Bundle, SourceFile
from harness_core.config.core_keys import COMMAND, SERVICE
from harness_core.config.describe import as_yaml, resolved
from harness_core.config.model import project_from_json, project_to_json
from harness_core.config.problem import InvalidConfig
from harness_core.config.validate import parse

FIVE_MISTAKES = """\
version: "1.0"
services:
  db:
    type: procss
    command: ./db
  api:
    type: process
    comand: ./api --port ${api.port}
    ports: [{name: http, port: auto}]
    dependencies: [dbb]
  worker:
    type: process
    command: ./worker ${api.prot}
    restart: on-failur
"""


def test_five_mistakes_are_all_told_at_once_with_place_and_suggestion(problems: Any) -> None:
    found = problems(FIVE_MISTAKES)

    assert [(p.position.line, p.position.column, p.message) for p in found] == [
        (4, 11, "no executor 'procss'; installed: container, process, watched"),
        (8, 5, "unknown key 'comand'"),
        (10, 20, "service 'api' depends on 'dbb', which does not exist"),
        (13, 14, "${api.prot}: 'prot' is not a property that a service has"),
        (14, 14, "restart can't be 'on-failur': expected one of no, on-failure, always, unless-stopped"),
    ]
    assert [p.hint for p in found] == [
        "did you mean 'process'?",
        "did you mean 'command'?",
        "did you mean 'db'?",
        "did you mean ${api.port}?",
        "did you mean 'on-failure'?",
    ]
    assert str(found[1]) == "/home/me/shop/services.yaml:8:5: error: unknown key 'comand' (did you mean 'command'?)"
    assert found[1].source == "    comand: ./api --port ${api.port}"
    assert found[1].path == "services.api.comand"
    assert json.dumps([p.to_json() for p in found])


def test_the_error_counts(problems: Any, parsed: Any) -> None:
    with pytest.raises(InvalidConfig, match="5 problems in the configuration"):
        parsed(FIVE_MISTAKES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: {}\nservces: {}\n", "unknown key 'servces'"),
        ("include: 5\nservices: {}\n", "can't read the included file /home/me/shop/5: it was not gathered"),
        ("include: {path: x}\nservices: {}\n", "include: expected a path, found a mapping"),
        ("include:\nservices: {}\n", "include: expected a path, found nothing"),
        ("name: x\n", "'services' is missing"),
        ("services:\n", "services: expected a mapping, found nothing"),
        ("services: []\n", "services: expected a mapping, found a list"),
        ("version: 2.0\nservices: {}\n", "version can't be '2.0': expected one of 1, 1.0"),
        ("name: My Shop\nservices: {}\n", "name can't be 'My Shop'"),
        ("settings: {startup_timout: 1}\nservices: {}\n", "unknown key 'startup_timout'"),
        ("networks: {n: {type: vpn}}\nservices: {}\n", "type can't be 'vpn': expected one of local, lan, wireguard"),
        ("networks: {n: {type: lan, nodes: [{name: x}]}}\nservices: {}\n", "'host' is missing"),
        ("a: [\n", "did not find expected node content (while parsing a flow node that starts in line 1)"),
    ],
)
def test_wrong_tops(problems: Any, text: str, message: str) -> None:
    assert [p.message.split(" (while")[0] for p in problems(text)] == [message.split(" (while")[0]]


def test_an_unreadable_file_is_a_problem() -> None:
    with pytest.raises(InvalidConfig) as raised:
        parse(Bundle((SourceFile("/x/services.yaml", error="Permission denied"),)), None)  # type: ignore[arg-type]

    assert raised.value.problems[0].message == "can't read the configuration: Permission denied"


def test_identity_is_name_and_place_or_what_p_says(parsed: Any) -> None:
    def identity(name: str = "", **more: Any) -> tuple[str, str]:
        project = parsed(f"{name}\nservices: {{}}\n", **more).project
        return project.name, project.id

    assert identity()[0] == "shop"
    assert identity("name: till") == ("till", identity("name: till")[1])
    assert identity(file="/a/x/services.yaml")[1] != identity(file="/b/x/services.yaml")[1]
    assert identity(file="/a/Mein Projekt!/services.yaml")[0] == "mein-projekt"
    assert identity(file="/services.yaml")[0] == "project"
    assert identity("name: till", project="other") == ("other", "other")


def test_a_bad_name_from_outside_is_an_error(only: Any) -> None:
    assert only("services: {}", project="Not OK").message == "a project can't be called 'Not OK'"


def test_old_files_stay_valid(parsed: Any) -> None:
    project = parsed("""
version: "1.0"
networks:
  home: { type: local }
  lab: { type: lan, subnet: 10.0.0.0/24, nodes: [{ name: box, host: 10.0.0.7, ssh_user: me, ssh_key: ~/.ssh/id }] }
  vpn: { type: wireguard, interface: wg0, config: ./wg0.conf }
services:
  cache:
    type: process
    network: home
    binary: redis-server
    args: ["--port", "6379"]
    env: { MODE: test }
    ports: [6379]
    health_check: { tcp: { port: 6379, timeout: 5 }, interval: 10, retries: 3 }
  web:
    type: process
    network: home
    binary: ./web
    dependencies: [cache]
    health_check: { command: curl, args: ["-f", "localhost"], interval: 30, timeout: 5 }
""").project

    assert project.networks["lab"]["nodes"][0]["ssh_key"] == "/home/me/.ssh/id"
    assert project.networks["vpn"]["config"] == "/home/me/shop/wg0.conf"
    assert dict(project.services["web"].dependencies) == {"cache": "healthy"}


def test_anchors_and_merge_keys_share_settings(parsed: Any) -> None:
    services = parsed("""
x-defaults: &defaults
  type: process
  command: run
  env: &env { A: "1" }
services:
  a: { <<: *defaults }
  b: { <<: *defaults, command: other, env: { <<: *env, B: "2" } }
""").project.services

    assert (services["a"].command.argv, services["b"].command.argv) == (("run",), ("other",))
    assert dict(services["b"].env) == {"B": "2", "A": "1"}


def test_a_problem_in_an_anchor_is_told_once(problems: Any) -> None:
    found = problems("x-d: &d {type: process, command: x, restrt: no}\nservices: {a: *d, b: *d, c: {<<: *d}}\n")

    assert [(p.message, p.position.line) for p in found] == [("unknown key 'restrt'", 1)]


def test_warnings_come_with_the_project_and_are_errors_when_strict(parsed: Any, problems: Any) -> None:
    text = "services: {a: {type: process, command: 'run ${NO}'}}"

    assert [(p.severity, p.path) for p in parsed(text).problems] == [("warning", "services.a.command")]
    assert [p.severity for p in problems(text, strict=True)] == ["error"]


def test_canonical_json_gives_the_same_project(parsed: Any) -> None:
    project = parsed("services: {a: {type: process, command: run, ports: [80], health_check: {tcp: 80}}}").project
    body = json.loads(json.dumps(project_to_json(project)))

    assert project_from_json(body) == project


RICH = """
name: shop
description: cost is 5$
networks: { lab: { type: lan, nodes: [ { name: box, host: 10.0.0.7 } ] } }
services:
  db: { type: container, image: "postgres:15", ports: ["80:5432"], seed: ./x, network: lab }
  api:
    type: process
    command: "./api ${db.url} $$HOME"
    shell: true
    tty: yes
    env: { A: 'yes', B: '${db.port}', C: "5$" }
    layers: [ { type: sudo, user: root } ]
    ports: [ auto, { name: http, port: 90, host: 91 } ]
    health_check: { http: "http://${api.host}:${api.port}", interval: 1m30s, on_failure: restart }
    restart: { policy: always, backoff: 100ms }
    stop: { signal: INT, timeout: 1m, command: [a, "b c"] }
    limits: { memory: 64MiB, cpu: 0.5 }
    logs: { max_size: 1MB }
    labels: { team: a }
    dependencies: [job]
  job: { type: process, binary: ./job, args: ["1"], oneshot: true, description: "a $job" }
"""


def test_the_resolved_view_is_the_same_project_again(parsed: Any) -> None:
    project = parsed(RICH).project
    again = parsed(as_yaml(project)).project

    assert project_to_json(again) == project_to_json(project)


def test_the_resolved_view_is_masked(parsed: Any) -> None:
    project = parsed(
        "services: {a: {type: process, command: 'run --pw=hunter2!', env: {DB_PASSWORD: hunter2!, PIN_KEY: abc, URL: 'x:pa$$s@y'}"
        ", secrets: [URL], labels: {n: hunter2!}}}"
    ).project
    shown = json.dumps(resolved(project), ensure_ascii=False) + as_yaml(project)

    assert "hunter2" not in shown
    assert "abc" not in shown
    assert "pa$" not in shown
    assert resolved(project)["services"]["a"]["command"] == ["run", "--pw=••••••"]


def test_five_hundred_services_are_read_in_a_moment(parsed: Any) -> None:
    text = "services:\n" + "".join(
        f"  s{i}:\n    type: process\n    command: [sleep, 1000]\n    env: {{PEER: '${{s{max(i - 1, 0)}.port}}'}}\n"
        f"    ports: [{{name: http, port: auto}}]\n    dependencies: [{f's{i - 1}' if i else ''}]\n"
        f"    health_check: {{http: 'http://127.0.0.1:${{s{i}.port}}/', interval: 2s}}\n"
        for i in range(500)
    )
    parsed(text)
    started = time.process_time()
    parsed(text)

    # CPU time, with room for slow machines; 0.3 s where this was written.
    assert time.process_time() - started < 2.5


_LEAF = st.sampled_from(
    [
        "process",
        "container",
        "x",
        "",
        "~",
        "yes",
        "5",
        "5s",
        "08",
        "'${a.port}'",
        "'${X}'",
        "'$'",
        "1.5",
        "auto",
        "{}",
        "[]",
        "[x, 5]",
        "{a: b}",
    ]
)
_KEYS = st.sampled_from([*SERVICE, *COMMAND, "image", "pull", "mounts", "weight", "x-y", "nonsense", "tcp", "http", "interval"])
_MAPPING = st.dictionaries(_KEYS, _LEAF, max_size=3).map(lambda d: "{" + ", ".join(f"{k}: {v}" for k, v in d.items()) + "}")


@given(st.dictionaries(_KEYS, _LEAF | _MAPPING))
def test_nothing_that_is_written_makes_it_crash(catalog: Any, keys: dict[str, str]) -> None:
    body = "\n".join(f"    {key}: {value}" for key, value in keys.items())
    bundle = Bundle(
        (SourceFile("/x/services.yaml", f"services:\n  a:\n{body}\n  b: {{type: process, command: '${{a.port}}'}}\n"),)
    )
    project, problems = None, ()
    try:
        project = parse(bundle, catalog).project
    except InvalidConfig as invalid:
        problems = invalid.problems

    assert all(problem.position for problem in problems)
    assert project is None or project_from_json(json.loads(json.dumps(project_to_json(project)))) == project


def test_thousands_of_problems_are_told_in_seconds(problems: Any) -> None:
    lines = [
        f"  service-{i}: {{type: process, command: 'x ${{servce-{i}.port}}', dependencies: [servce-{i}]}}" for i in range(1000)
    ]
    started = time.process_time()

    assert len(problems("services:\n" + "\n".join(lines))) == 2000
    assert time.process_time() - started < 8
