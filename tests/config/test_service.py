"""One service: what each key becomes, and what is said when it is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from harness_core.config.bundle import SourceFile
from harness_core.config.model import PortConfig, RestartWhen


def text(keys: str, type: str = "process") -> str:
    return f"services:\n  a: {{type: {type}, {keys}}}\n"


def test_defaults(service: Any) -> None:
    a = service("")

    assert (a.restart.when, a.restart.backoff, a.restart.max_backoff) == (RestartWhen.ON_FAILURE, 0.5, 60)
    assert (a.restart.max_restarts, a.restart.window) == (5, 60)
    assert (a.stop.signal, a.stop.timeout, a.stop.command) == (None, 10, None)
    assert (a.startup_timeout, a.oneshot, a.health_check, a.ports, a.layers) == (60, False, None, (), ())
    assert service("oneshot: true").restart.when is RestartWhen.NO


def test_settings_are_defaults_for_all(service: Any) -> None:
    a = service(
        "health_check: {tcp: 1}",
        more="settings: {startup_timeout: 2m, shutdown_timeout: 0, health_check_interval: 7}\n",
    )

    assert (a.startup_timeout, a.stop.timeout, a.health_check.interval) == (120, 0, 7)


# -- command -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "argv"),
    [
        ("command: ./run --to 'a b' \"$HOME\"", ["./run", "--to", "a b", "$$HOME"]),
        ("command: [sh, -c, 'echo $$HOME', 8080, yes]", ["sh", "-c", "echo $$HOME", "8080", "yes"]),
        ("command: 'a | b', shell: true", ["a | b"]),
        ("binary: ./run, args: [--port, 80, 1.10, on]", ["/home/me/shop/run", "--port", "80", "1.10", "on"]),
        ("binary: python3", ["python3"]),
        ("binary: ~/run", ["/home/me/run"]),
        ("command: ~/run x", ["/home/me/run", "x"]),
        ("command: '${CMD}'", ["one", "two"]),
    ],
)
def test_commands(service: Any, keys: str, argv: list[str]) -> None:
    assert list(service(keys, variables={"CMD": "one two"}).command.argv) == argv


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("command: x, binary: y", "'command' and 'binary' can't both be there"),
        ("args: [x]", "'args' goes with 'binary'"),
        ("command: x, args: [x]", "'args' goes with 'binary'"),
        ("user: x", "service 'a' (process) needs 'command' or 'binary'"),
        ("command: ''", "the command is empty"),
        ("command: []", "command is empty"),
        ("command: ['', x]", "the command is empty"),
        ('command: "echo \'x"', "can't split the command: a quote is never closed"),
        ("command: [x], shell: true", "with 'shell: true' the command is one string"),
        ("binary: x, shell: true", "'shell' goes with 'command'"),
        ("command: {a: b}", "command: expected text or a list, found a mapping"),
        ("command: [a, [b]]", "command[1]: expected text, found a list"),
        ("command: x, shell: maybe", "shell: expected true or false, found 'maybe'"),
        ("command: x, shell: 'true'", "shell: expected true or false, found 'true' in quotes: remove them"),
    ],
)
def test_wrong_commands(only: Any, keys: str, message: str) -> None:
    assert only(text(keys)).message == message


def test_paths_are_seen_from_the_file_and_dollars_in_them_are_dollars(service: Any) -> None:
    assert service("working_dir: ./x").command.working_dir == "/home/me/shop/x"
    assert service("working_dir: ~/x").command.working_dir == "/home/me/x"
    assert service("command: x", file="/a$b/services.yaml").command.working_dir == "/a$$b"
    assert service("command: x", file="/a$b/services.yaml").base_dir == "/a$b"


# -- environment -------------------------------------------------------------------------------------------------------


def test_values_of_env_stay_as_written(service: Any) -> None:
    a = service("env: {A: 8080, B: yes, C: 0755, D: 22:22, E: 1.10, F: 2024-01-01, G: 1_000, H: true, I: '', J: 'a$b'}")

    assert a.env == {
        "A": "8080",
        "B": "yes",
        "C": "0755",
        "D": "22:22",
        "E": "1.10",
        "F": "2024-01-01",
        "G": "1_000",
        "H": "true",
        "I": "",
        "J": "a$$b",
    }


def test_env_wins_over_env_files_and_later_files_over_earlier(service: Any) -> None:
    files = {
        "/home/me/shop/1": SourceFile("/home/me/shop/1", "A=1\nB=1\nC=1\nD=$x${V}\n"),
        "/home/me/shop/2": SourceFile("/home/me/shop/2", "B=2\nC=2\n"),
    }
    a = service("env_file: [1, ./2], env: {C: 3}", env_files=files, variables={"V": "v"})

    assert a.env == {"A": "1", "B": "2", "C": "3", "D": "$$xv"}


def test_env_files_that_can_not_be_used_are_errors(problems: Any) -> None:
    files = {
        "/home/me/shop/1": SourceFile("/home/me/shop/1", error="Permission denied"),
        "/home/me/shop/2": SourceFile("/home/me/shop/2", "A=1\nB\n"),
    }
    found = problems(text("command: x, env_file: [1, 2, 3]"), env_files=files)

    assert [str(p) for p in found] == [
        "/home/me/shop/services.yaml:2:45: error: can't read the env_file /home/me/shop/1: Permission denied",
        "/home/me/shop/services.yaml:2:51: error: can't read the env_file /home/me/shop/3: it was not gathered",
        "/home/me/shop/2:2:1: error: expected NAME=value (a name has letters, digits and '_'; a comment starts with '#')",
    ]


def test_inherited_environment_is_the_base_and_what_was_asked_for(service: Any) -> None:
    environment = {"PATH": "/bin", "LC_TIME": "C", "EDITOR": "vi", "X": "1"}

    assert set(service("", environment=environment).inherited_env) == {"PATH", "LC_TIME"}
    assert set(service("inherit_env: [X]", environment=environment).inherited_env) == {"PATH", "LC_TIME", "X"}
    assert service("inherit_env: on", environment=environment).inherited_env == environment


def test_inherited_values_do_not_change_the_definition(service: Any) -> None:
    def digest(**environment: str) -> str:
        return str(service("inherit_env: [API_TOKEN]", environment=environment).digest)

    assert digest(API_TOKEN="abcdef", PATH="/bin") == digest(API_TOKEN="ghijkl", PATH="/usr/bin")


def test_order_of_keys_does_not_change_the_definition(service: Any) -> None:
    assert service("env: {A: 1, B: 2}, oneshot: true").digest == service("oneshot: true, env: {B: 2, A: 1}").digest
    assert service("env: {A: 1}").digest != service("env: {A: 2}").digest


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_secrets_are_known_by_name_by_mark_and_by_list(service: Any) -> None:
    a = service(
        "command: [run, '${THE_SECRET}'], env: {DB_PASSWORD: hunter2!, api_Token: tok-123, OTHER: {secret: marked}, "
        "LISTED: listed!, TOKEN_TTL: 3600, KEY_ON: true}, secrets: [LISTED]",
        variables={"THE_SECRET": "in-argv"},
    )

    assert a.secrets == {"hunter2!", "tok-123", "marked", "listed!", "in-argv"}
    assert a.env["OTHER"] == "marked"


def test_secrets_stand_in_plugin_keys_too_but_paths_are_none(service: Any) -> None:
    a = service("registry_password: pass1234, image: {secret: private-image}, tls_key: ./private.pem", type="container")

    assert a.secrets == {"pass1234", "private-image"}
    assert a.config["image"] == "private-image"


def test_inherited_secrets_count(service: Any) -> None:
    assert service("inherit_env: true", environment={"GH_TOKEN": "ghp_1234"}).secrets == {"ghp_1234"}


def test_listing_a_secret_that_is_not_there_is_an_error(only: Any) -> None:
    problem = only(text("command: x, env: {TOKEN: abcd}, secrets: [TOKN]"))

    assert (problem.message, problem.hint) == ("'TOKN' is not in the environment of this service", "did you mean 'TOKEN'?")


def test_messages_and_lines_hide_secrets(problems: Any) -> None:
    found = problems(text("command: x, restart: hunter2!, env: {MY_PASSWORD: hunter2!}"))

    assert not any("hunter2" in str(p.to_json()) for p in found)


# -- ports -------------------------------------------------------------------------------------------------------------


def test_forms_of_ports(service: Any) -> None:
    a = service(
        "ports: [5432, '8080:80', '53/udp', {name: http, port: auto}, {name: web, port: 90, host: 91, protocol: https}, '${P}']",
        variables={"P": "7000"},
    )

    assert a.ports == (
        PortConfig("default", 5432, None, "tcp"),
        PortConfig("80", 80, 8080, "tcp"),
        PortConfig("53", 53, None, "udp"),
        PortConfig("http", None, None, "http"),
        PortConfig("web", 90, 91, "https"),
        PortConfig("7000", 7000, None, "tcp"),
    )


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        ("22:22:22", "'22:22:22' is not a port"),
        ("127.0.0.1:80:80", "'127.0.0.1:80:80' is not a port"),
        ("0", "0 is not a port: 1 to 65535"),
        ("70000", "70000 is not a port: 1 to 65535"),
        ("'80:70000'", "70000 is not a port: 1 to 65535"),
        ("80, auto", "only the first port may be 'auto' without a name"),
        ("{port: auto, host: 80}", "a port that is 'auto' can't have a fixed host port"),
        ("{name: http}", "'port' is missing"),
        ("{name: 'a b', port: 1}", "name can't be 'a b'"),
        ("80, 80", "two ports are called '80'"),
        ("{name: x, port: 80}, {name: x, port: 81}", "two ports are called 'x'"),
        ("'1:80', '1:81'", "host port 1 is written twice"),
        ("[80]", "ports[0]: expected a whole number or text or a mapping, found a list"),
    ],
)
def test_wrong_ports(problems: Any, ports: str, message: str) -> None:
    ports = "1, 80, 80" if ports == "80, 80" else ports

    assert message in [p.message for p in problems(text(f"command: x, ports: [{ports}]"))]


def test_a_port_in_base_sixty_is_what_was_written(service: Any) -> None:
    assert service("ports: [22:22]").ports == (PortConfig("default", 22, 22, "tcp"),)


# -- health ------------------------------------------------------------------------------------------------------------


def test_health_checks_old_and_new(service: Any) -> None:
    old = service("health_check: {tcp: {port: 6379, timeout: 5}, interval: 3, timeout: 1}").health_check
    assert (old.check, old.config, old.interval, old.timeout) == ("tcp", {"port": 6379}, 3, 5)
    beside = service("health_check: {command: pg_isready, args: [-U, postgres]}").health_check
    assert beside.config == {"command": "pg_isready", "args": ["-U", "postgres"]}
    new = service("health_check: {http: {ca: ./ca.pem}, on_failure: restart, start_period: 1m}").health_check
    assert (new.config, new.restart_on_failure, new.start_period) == ({"ca": "/home/me/shop/ca.pem"}, True, 60)
    assert (new.interval, new.timeout, new.retries, new.successes) == (10, 5, 3, 1)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("{interval: 5s}", "health_check has no check: add one of command, http, tcp"),
        ("{}", "health_check has no check: add one of command, http, tcp"),
        ("{http: /, tcp: 80}", "health_check has http and tcp: only one check is possible"),
        ("{htp: /}", "unknown key 'htp' in health_check"),
        ("{grpc: x}", "no health check 'grpc'; installed: command, http, tcp"),
        ("{tcp: 80, intervall: 5s}", "unknown key 'intervall' in health_check"),
        ("{tcp: 80, args: [x]}", "'args' does not go with 'tcp'"),
        ("{tcp: 80, interval: 0}", "interval: 0 is too small: more than 0"),
        ("{tcp: 80, retries: 0}", "retries: 0 is too small: at least 1"),
        ("{tcp: 80, retries: 07}", "retries: '07' may be octal or not: write it without the leading 0, or as 0o7"),
        ("{tcp: {prot: 80}}", "unknown key 'prot' for the tcp check"),
        ("{tcp: [80]}", "tcp: expected a whole number or text or a mapping, found a list"),
        ("{tcp: 80, on_failure: explode}", "on_failure can't be 'explode': expected one of none, restart"),
        ("tcp", "health_check: expected a mapping, found 'tcp'"),
    ],
)
def test_wrong_health_checks(only: Any, check: str, message: str) -> None:
    assert only(text(f"command: x, health_check: {check}")).message == message


# -- capabilities ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type", "keys", "message"),
    [
        (
            "watched",
            "pid: 1, health_check: {command: x}",
            "a command health check, but executor 'watched' cannot run commands inside (no EXEC)",
        ),
        ("container", "image: x, command: y", "'command', but executor 'container' cannot run a command of ours (no COMMAND)"),
        (
            "container",
            "image: x, layers: [{type: sudo}]",
            "'layers', but executor 'container' cannot run a command of ours (no COMMAND)",
        ),
        (
            "container",
            "image: x, limits: {pids: 5}",
            "'limits', but executor 'container' cannot limit what a service uses (no LIMITS)",
        ),
        ("watched", "pid: 1, stop: {command: x}", "'stop.command', but executor 'watched' cannot run commands inside (no EXEC)"),
    ],
)
def test_what_an_executor_can_not_do_is_said_at_once(problems: Any, type: str, keys: str, message: str) -> None:
    errors = [p for p in problems(text(keys, type)) if p.severity == "error"]

    assert [p.message for p in errors] == ["service 'a' has " + message]
    assert errors[0].kind == "config.capability"


def test_keys_without_effect_on_what_is_only_watched_are_warnings(parsed: Any) -> None:
    result = parsed(text("pid: 1, restart: always", "watched"))

    assert [(p.kind, p.severity) for p in result.problems] == [("config.no-effect", "warning")]


# -- types, layers, plugin keys ----------------------------------------------------------------------------------------


def test_an_alias_means_the_offer(service: Any) -> None:
    assert service("", type="box").type == "container"


@pytest.mark.parametrize(
    ("type", "message"),
    [
        ("procss", "no executor 'procss'; installed: container, process, watched"),
        ("podman", "no executor 'podman': plugin harness-plugin-podman 0.3 is broken: ImportError: no module 'libpod'"),
        ("[x]", "type: expected the name of an executor, found a list"),
    ],
)
def test_unknown_types(only: Any, type: str, message: str) -> None:
    assert only(text("command: x, image: y", type)).message == message


def test_no_type(only: Any) -> None:
    assert only("services: {a: {command: x}}").message == "service 'a' has no type; installed: container, process, watched"


def test_values_of_plugin_keys_are_what_their_schema_wants(service: Any) -> None:
    keys = "image: 5.10, replace: yes, weight: 1_000, seed: ~/x, mounts: [{from: ./d, to: 08}]"
    config = service(keys, type="container").config

    assert config == {
        "image": "5.10",
        "replace": True,
        "weight": 1000,
        "seed": "/home/me/x",
        "mounts": [{"from": "/home/me/shop/d", "to": "08"}],
    }


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("imag: x", "unknown key 'imag'"),
        ("pull: always", "type 'container' needs 'image'"),
        ("image: x, pull: allways", "pull can't be 'allways': expected one of always, missing, never"),
        ("image: x, weight: heavy", "weight: expected a whole number, found 'heavy'"),
        ("image: x, weight: -1", "weight: -1 is less than the minimum of 0"),
        ("image: x, zzz: 1", "unknown key 'zzz' for type 'container'"),
        ("image: x, mounts: [{too: y, to: z}]", "unknown key 'too' for type 'container'"),
        ("image: x, mounts: [{}]", "type 'container' needs 'to'"),
        ("image: ~", "image: expected text, found nothing"),
        ("image: x, replicas: 2", "'replicas' is reserved: not yet"),
        ("image: x, update: {}", "'update' is reserved: not yet"),
        ("image: x, layers: [sudo]", "expected a layer, found 'sudo'"),
    ],
)
def test_wrong_plugin_keys(problems: Any, keys: str, message: str) -> None:
    assert message in [p.message for p in problems(text(keys, "container"))]


def test_of_several_keys_one_is_missing(only: Any) -> None:
    assert only("services:\n  a: {type: watched}\n").message == "type 'watched' needs one of 'pid', 'pidfile'"


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("[{type: nspawn}]", "no layer 'nspawn'; installed: sudo"),
        ("[{user: x}]", "a layer has no type; installed: sudo"),
        ("[{type: sudo, usr: x}]", "unknown key 'usr' for layer 'sudo'"),
        ("{type: sudo}", "layers: expected a list, found a mapping"),
    ],
)
def test_wrong_layers(only: Any, layers: str, message: str) -> None:
    assert only(text(f"command: x, layers: {layers}")).message == message


# -- the rest ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("restart: sometimes", "restart can't be 'sometimes': expected one of no, on-failure, always, unless-stopped"),
        ("restart: {policy: always, backof: 1}", "unknown key 'backof'"),
        ("restart: {backoff: 2m, max_backoff: 1m}", "restart: 'backoff' is longer than 'max_backoff'"),
        ("oneshot: true, restart: always", "a oneshot should finish, so 'always' can't be its restart policy"),
        ("stop: {signal: TREM}", "no signal 'TREM'"),
        ("stop: {timeout: soon}", "timeout: 'soon' is not a duration: write 500ms, 2s, 1m30s, 2h, or a number of seconds"),
        ("startup_timeout: 0", "startup_timeout: 0 is too small: more than 0"),
        ("network: lan", "no network 'lan'"),
        ("limits: {memory: lots}", "memory: 'lots' is not a size: write 64MiB, 1GB, or a number of bytes"),
        ("env: [A=b]", "env: expected a mapping, found a list"),
        ("env: {A: }", "A has no value"),
        ("env: {A: [b]}", "A: expected text, found a list"),
        ("env: {A=b: c}", "'A=b' can't be a name here"),
        ("depends_on: [b]", "unknown key 'depends_on'"),
        ("labels: x", "labels: expected a mapping, found 'x'"),
    ],
)
def test_other_wrong_keys(only: Any, keys: str, message: str) -> None:
    assert only(text(f"command: x, {keys}")).message == message


def test_stop_in_both_styles(service: Any) -> None:
    assert service("shutdown_timeout: 3").stop.timeout == 3
    assert service("shutdown_timeout: 3, stop: {timeout: 4}").stop.timeout == 4
    stop = service("stop: {signal: sigint, command: nginx -s quit}").stop
    assert (stop.signal, stop.command) == ("INT", ("nginx", "-s", "quit"))


def test_limits_logs_labels(service: Any) -> None:
    a = service("limits: {memory: 64MiB, cpu: 1.5, pids: 0x10}, logs: {merge: yes, max_size: 1MB, keep: 2}, labels: {v: 1.0}")

    assert (a.limits.memory, a.limits.cpu, a.limits.pids, a.limits.nofile) == (64 << 20, 1.5, 16, None)
    assert (a.logs.merge, a.logs.max_size, a.logs.keep, a.logs.keep_runs) == (True, 10**6, 2, 2)
    assert a.labels == {"v": "1.0"}


def test_free_keys_are_free(service: Any) -> None:
    assert service("x-note: {anything: [goes]}").config == {}


def test_whole_variables_become_numbers_where_numbers_are_wanted(service: Any) -> None:
    a = service(
        "limits: {pids: '${N}', cpu: '${C}'}, oneshot: '${Y}', env: {A: '${N}'}", variables={"N": "5", "C": "1.5", "Y": "yes"}
    )

    assert (a.limits.pids, a.limits.cpu, a.oneshot, a.env["A"]) == (5, 1.5, True, "5")


def test_a_misspelt_key_is_told_also_when_nobody_knows_the_executor(problems: Any) -> None:
    found = problems(
        "services:\n  a:\n    type: procss\n    comand: ./run\n    dependancies: [b]\n"
        "    oneshot: maybe\n    usr: me\n    image: x\n"
    )

    assert [(p.position.line, p.message, p.hint) for p in found] == [
        (3, "no executor 'procss'; installed: container, process, watched", "did you mean 'process'?"),
        (4, "unknown key 'comand'", "did you mean 'command'?"),
        (5, "unknown key 'dependancies'", "did you mean 'dependencies'?"),
        (6, "oneshot: expected true or false, found 'maybe'", None),
        (7, "unknown key 'usr'", "did you mean 'user'?"),
    ]


@pytest.mark.parametrize("type", ["type: kubernetes, ", ""])
def test_keys_of_an_executor_that_is_not_installed_are_not_taken_for_misspelt_ones(problems: Any, type: str) -> None:
    keys = "network_mode: host, image: x, entrypoint: y, enviroment: {}, helth_check: {tcp: 80}, replicas: 3"

    found = problems(f"services: {{a: {{{type}{keys}}}}}")

    assert [(p.message, p.hint) for p in found[1:]] == [
        ("unknown key 'helth_check'", "did you mean 'health_check'?"),
        ("'replicas' is reserved: not yet", "remove it"),
    ]
