"""Each command against the real daemon: in words, in JSON, in a pipe and on a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

CONFIG = """\
version: "1.0"
name: shop
services:
  db:
    type: process
    shell: true
    command: "echo db says hello; while :; do sleep 0.1; done"
    ports: [{ name: main, port: auto }]
  api:
    type: process
    shell: true
    command: "n=0; while :; do echo tick $((n+=1)); sleep 0.05; done"
    health_check: { command: "true", interval: 200ms }
    dependencies: [db]
  prepare: { type: process, command: ["true"], oneshot: true }
"""


@pytest.fixture
def shop(harness):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    return harness


def test_up_d_says_what_was_reached_and_where(harness):
    harness.write(CONFIG)

    result = harness.run("up", "-d")

    assert result.code == 0, result.text
    assert "✓ db       running" in result.out
    assert "://127.0.0.1:" in result.out
    assert "✓ prepare  completed" in result.out
    assert "3 services as wished" in result.err


def test_start_and_stop_say_already(shop):
    again = shop.ok("start")
    shop.ok("stop")
    stopped = shop.ok("stop", "--json").json

    assert again.out.count("already") == 3
    assert all(service["already"] for service in stopped["services"])


def test_stop_refuses_while_dependents_run_and_names_them(shop):
    result = shop.run("stop", "db")
    forced = shop.run("stop", "db", "--force")

    assert result.code == 1
    assert result.err.startswith("error[stop.dependents]: ")
    assert "api" in result.err
    assert forced.code == 0, forced.text


def test_quiet_says_nothing_when_all_is_well(shop):
    assert shop.ok("restart", "prepare", "-q").text == ""


def test_verbose_says_with_whom_and_what(shop):
    err = shop.ok("restart", "db", "-v").err

    assert f"pid {shop.daemon_pid}" in err
    assert "project shop-" in err
    assert "db" in err
    assert "exit 0" in err


@pytest.mark.parametrize("arguments", [["why", "dbb"], ["logs", "dbb"], ["start", "dbb"], ["status", "dbb"], ["health", "dbb"]])
def test_a_mistyped_service_gets_a_suggestion(shop, arguments):
    result = shop.run(*arguments)

    assert result.code == 2, result.text
    assert "error[service.unknown]" in result.err
    assert "did you mean" in result.err
    assert "db" in result.err


def test_a_project_that_was_never_applied_is_told_what_to_do(harness):
    harness.write(CONFIG)

    result = harness.run("status")

    assert result.code == 1
    assert "error[project.unknown]" in result.err
    assert "harness up" in result.err


@pytest.mark.parametrize("command", ["stop", "down"])
def test_stopping_a_project_that_was_never_applied_succeeds(harness, command):
    harness.write(CONFIG)

    assert harness.ok(command, "--json").json == {"reached": True, "timed_out": False, "services": []}


def test_status_has_its_documented_fields(shop):
    answer = shop.ok("status", "--json", "--detailed").json

    assert {"project", "name", "path", "degraded", "services"} <= set(answer)
    documented = {
        "name", "type", "state", "health", "pid", "run", "ref", "started_at", "restarts", "exit", "reason", "endpoints",
        "containment", "oneshot", "wanted", "waiting_for", "description", "memory", "cpu_seconds", "processes", "notes",
        "crash_safe", "dependencies",
    }  # fmt: skip
    assert all(documented <= set(service) for service in answer["services"])


def test_status_in_a_pipe_is_one_service_a_line(shop):
    lines = shop.ok("ps").out.splitlines()

    assert lines[0].split()[:3] == ["service", "type", "state"]
    assert {line.split()[0] for line in lines[1:]} == {"db", "api", "prepare"}
    assert shop.ok("status", "-q").out.split() == [line.split()[0] for line in lines[1:]]


def test_status_on_a_terminal_fits_it(shop):
    terminal = shop.terminal("status")

    assert terminal.wait() == 0
    assert "shop: " in terminal.plain
    assert all(len(line) <= 120 for line in terminal.plain.splitlines())


def test_watching_ends_with_ctrl_c(shop):
    terminal = shop.terminal("status", "--watch")
    terminal.expect("running")

    terminal.press("\x03")

    assert terminal.wait() == 130
    assert terminal.is_as_before


def test_logs_of_one_service_are_its_bytes_and_of_several_have_names(shop):
    assert shop.ok("logs", "db").out == "db says hello\n"
    assert "db | db says hello\n" in shop.ok("logs").out


def test_logs_can_be_narrowed(shop, eventually):
    eventually(lambda: len(shop.ok("logs", "api").out.splitlines()) > 20)

    assert len(shop.ok("logs", "api", "--tail", "3").out.splitlines()) == 3
    assert shop.ok("logs", "api", "--grep", "tick 7").out.splitlines()[0] == "tick 7"
    assert shop.ok("logs", "api", "--stream", "err").out == ""
    assert shop.ok("logs", "db", "--until", "1h").out == ""
    assert shop.ok("logs", "db", "--since", "1h").out == "db says hello\n"
    assert json.loads(shop.ok("logs", "db", "--json").out)["text"] == "db says hello"
    assert shop.run("logs", "--since", "yesterday").code == 2


def test_followed_logs_have_no_gap_over_a_killed_daemon(shop, eventually):
    command = shop.start("logs", "-f", "api")
    assert command.stdout.readline() == b"tick 1\n"

    os.kill(shop.daemon_pid, signal.SIGKILL)
    lines = [command.stdout.readline() for _ in range(100)]
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=20)

    assert lines == [b"tick %d\n" % n for n in range(2, 102)]
    assert b"connected again" in err
    assert command.returncode == 130


def test_logs_to_a_reader_that_goes_away_are_quiet(shop):
    with shop.start("logs", "-f") as command:
        command.stdout.readline()
        command.stdout.close()
        err = command.stderr.read()
        command.wait(timeout=20)

    assert command.returncode == 141
    assert err == b""


def test_events_are_sentences_and_survive_the_daemon(shop):
    before = shop.ok("events", "--json").out.splitlines()

    os.kill(shop.daemon_pid, signal.SIGKILL)
    after = shop.ok("events", "--json").out.splitlines()

    assert "configuration applied by" in shop.ok("events").out
    assert [json.loads(line)["seq"] for line in after][: len(before)] == [json.loads(line)["seq"] for line in before]


def test_followed_events_go_on_over_a_killed_daemon(shop):
    command = shop.start("events", "-f", "--json", "--limit", "1")
    command.stdout.readline()

    os.kill(shop.daemon_pid, signal.SIGKILL)
    shop.ok("stop", "api")
    seqs = []
    while True:
        event = json.loads(command.stdout.readline())
        if "seq" in event:
            seqs.append(event["seq"])
        if event.get("kind") == "state" and event["new"] == "stopped":
            break
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=20)

    assert seqs == sorted(set(seqs))


def test_why_is_in_words(shop):
    answer = shop.ok("why", "api", "--json").json

    assert {"service", "state", "summary", "causes", "events", "probes", "exit", "last_lines"} <= set(answer)
    assert shop.ok("why", "api").out.startswith("running  api runs")
    assert len(shop.ok("why", "api", "-q").out.splitlines()) == 1


def test_health_runs_the_checks(shop):
    answer = shop.ok("health", "api", "--json").json["services"][0]

    assert (answer["name"], answer["check"], answer["healthy"]) == ("api", "command", True)
    assert "yes" in shop.ok("health", "api").out


def test_plan_has_no_effect_and_apply_has_exactly_that(shop):
    pids = {name: service["pid"] for name, service in shop.status().items()}
    shop.write(CONFIG.replace("db says hello", "db says hi"))

    plan = shop.ok("plan", "--json").json
    assert {name: service["pid"] for name, service in shop.status().items()} == pids
    assert {step["service"] for step in plan["steps"] if step["action"] == "restart"} == {"db"}
    assert "~ restart db" in shop.ok("plan").out

    applied = shop.ok("apply", "--json").json
    assert applied["reached"]
    assert shop.service("db")["pid"] != pids["db"]
    assert shop.service("api")["pid"] == pids["api"]
    assert "nothing would change" in shop.ok("plan").out


def test_a_timeout_is_5(harness):
    harness.write(
        "version: '1.0'\nname: slow\nservices:\n  slow:\n    type: process\n    command: [sleep, '1000']\n"
        "    health_check: {command: 'false', interval: 100ms, start_period: 60s}\n"
    )

    result = harness.run("up", "-d", "--timeout", "500ms")

    assert result.code == 5, result.text
    assert "not reached in time" in result.err


def test_no_wait_returns_at_once(harness):
    harness.write("version: '1.0'\nname: slow\nservices:\n  slow: {type: process, command: [sleep, '1000']}\n")

    assert harness.run("up", "--no-wait").code == 0


def test_the_daemon_is_started_looked_at_and_stopped(harness):
    assert harness.run("daemon", "status").code == 4
    assert harness.ok("daemon", "stop").err == "no daemon runs: nothing to stop\n"
    assert harness.ok("daemon", "start", "--json").json["started"] is True
    assert "already running" in harness.ok("daemon", "start").err

    status = harness.ok("daemon", "status", "--json").json
    assert {"pid", "version", "address", "started_at", "keeper", "plugins"} <= set(status)
    assert str(status["pid"]) in harness.ok("daemon", "status").out
    assert json.loads(harness.ok("daemon", "logs").out.splitlines()[0])["level"]

    assert harness.ok("daemon", "stop").err == "daemon stopped; nothing runs\n"
    assert harness.run("daemon", "status", "--json").json["error"]["kind"] == "daemon.unreachable"
    assert harness.ok("daemon", "logs").out, "what the last one wrote"


def test_a_daemon_in_the_foreground_is_the_process_itself(harness, eventually):
    command = harness.start("daemon", "start", "--foreground")
    eventually(lambda: harness.run("daemon", "status").code == 0, what="it answers")

    assert harness.daemon_pid == command.pid
    command.terminate()
    command.communicate(timeout=20)
    assert harness.run("daemon", "status").code == 4


def test_the_daemon_that_starts_on_demand_is_announced_unless_quiet(harness):
    harness.write(CONFIG)

    assert "no daemon runs yet: starting one" in harness.run("down").err
    harness.ok("daemon", "stop")
    assert harness.ok("down", "-q").text == ""


def test_daemon_status_tells_of_another_environment(harness):
    harness.ok("daemon", "start")
    assert "its plugins are those of" not in harness.ok("daemon", "status").err
    code = "import sys; from harness_core.cli.entry import main; sys.prefix = '/elsewhere'; main()"

    done = subprocess.run(
        [sys.executable, "-c", code, "daemon", "status"], env=harness.env, capture_output=True, text=True, check=True
    )

    assert f"its plugins are those of {sys.prefix}, not of /elsewhere" in done.stderr


def test_daemon_stop_says_what_runs_on(shop):
    assert shop.ok("daemon", "stop").err == "daemon stopped; 2 services run on\n"
    assert any("tick" in command for command in shop.strays())

    assert shop.ok("start").out.count("already") == 3, "the next daemon took them over"
    assert shop.ok("daemon", "stop", "--services", "--json").json == {"stopped": True, "already": False, "running": 0}


def test_a_keeper_with_nothing_to_keep_ends_with_the_daemon(shop, eventually):
    shop.ok("down")
    keeper, daemon = shop.keeper_pid, shop.daemon_pid

    os.kill(daemon, signal.SIGTERM)

    eventually(lambda: not {keeper, daemon} & shop.processes().keys(), what="both are gone")


def under_way(harness, eventually):
    """`up -d` that waits until `one`, which runs, is healthy: never, without a file `ready`."""
    check = "{command: 'test -e ready', interval: 50ms, start_period: 60s}"
    one = f"{{type: process, command: [sleep, '1000'], health_check: {check}}}"
    harness.write(f"version: '1.0'\nname: slow\nservices:\n  one: {one}\n")
    command = harness.start("up", "-d")
    eventually(lambda: harness.run("status", "--json").code == 0 and harness.service("one")["pid"], what="it runs")
    return command


def test_a_start_that_is_waited_for_outlives_a_killed_daemon(harness, eventually):
    command = under_way(harness, eventually)
    pid = harness.service("one")["pid"]

    os.kill(harness.daemon_pid, signal.SIGKILL)
    eventually(lambda: command.stderr.readline() in (b"connected again\n", b""), what="it is connected again")
    harness.write("", "ready")
    _, said = command.communicate(timeout=30)

    assert command.returncode == 0, said
    assert harness.service("one")["pid"] == pid


def test_a_start_that_is_waited_for_ends_with_4_when_somebody_ends_the_daemon(harness, eventually):
    command = under_way(harness, eventually)

    harness.ok("daemon", "stop")
    _, said = command.communicate(timeout=30)

    assert command.returncode == 4
    assert b"the daemon ends" in said
    harness.ok("down")


def test_a_subfolder_means_the_same_project(shop):
    deep = shop.project / "deep"
    deep.mkdir()

    assert shop.ok("status", "-q", cwd=deep).out == shop.ok("status", "-q").out


def test_a_pager_gets_plain_text(shop):
    done = subprocess.run(
        [*shop.command, "status"], env={**shop.env, "TERM": "xterm"}, cwd=shop.project, capture_output=True, check=True
    )

    assert b"\x1b" not in done.stdout
