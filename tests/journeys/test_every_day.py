"""Small things that people do every day and take for granted."""

from __future__ import annotations

import json
import os
import signal

import pytest

CONFIG = """\
version: "1.0"
name: shop
services:
  db:
    type: process
    command: [sh, -c, "echo db $GREETING; exec sleep 1000"]
    env: { GREETING: "${GREETING:-none}", DB_PASSWORD: "${DB_PASSWORD:-hunter2hunter2}" }
  api:
    type: process
    command: [sh, -c, "echo api; exec sleep 1001"]
    dependencies: [db]
"""


@pytest.fixture
def shop(harness):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    return harness


def test_starting_what_runs_and_stopping_what_is_stopped_succeed_and_say_already(shop):
    pid = shop.service("db")["pid"]

    assert "already" in shop.ok("start", "db").text
    shop.ok("stop", "api")
    assert "already" in shop.ok("stop", "api").text

    assert shop.service("db")["pid"] == pid


def test_stopping_what_others_need_is_refused_unless_forced(shop):
    refused = shop.run("stop", "db")

    assert refused.code == 1
    assert "api" in refused.text
    assert shop.service("db")["state"] == "running"
    shop.ok("stop", "db", "--force")
    assert shop.service("db")["state"] == "stopped"


def test_start_brings_dependencies_along(shop):
    shop.ok("stop")

    shop.ok("start", "api")

    assert {service["state"] for service in shop.status().values()} == {"running"}


def test_down_leaves_nothing_that_could_be_started_and_says_how_to_come_back(shop):
    shop.ok("down")

    refused = shop.run("start", "api")

    assert refused.code == 1
    assert "harness up" in refused.text
    assert not shop.strays()


def test_restart_gives_a_new_process_and_counts_as_no_failure(shop):
    pid = shop.service("api")["pid"]

    shop.ok("restart", "api")

    api = shop.service("api")
    assert api["pid"] != pid
    assert (api["state"], api["restarts"]) == ("running", 0)


def test_it_works_from_a_folder_below(shop):
    below = shop.project / "deep" / "below"
    below.mkdir(parents=True)

    answer = shop.ok("status", "--json", cwd=below).json

    assert {service["name"] for service in answer["services"]} == {"db", "api"}


def test_a_dotenv_file_beside_the_config_is_read_and_the_shell_wins(shop):
    shop.write("GREETING=from-dotenv\n", ".env")
    shop.ok("up", "-d")
    shop.env["GREETING"] = "from-shell"
    shop.ok("up", "-d")

    assert shop.lines("db") == ["db none", "db from-dotenv", "db from-shell"]


def test_two_checkouts_of_one_project_do_not_collide(shop, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "services.yaml").write_text(CONFIG)

    shop.ok("up", "-d", cwd=other)
    shop.ok("down", cwd=other)

    assert shop.service("db")["state"] == "running"


def test_a_killed_service_is_restarted_and_why_says_so(shop, eventually):
    old = shop.service("db")
    os.kill(old["pid"], signal.SIGKILL)

    eventually(lambda: (now := shop.service("db"))["run"] != old["run"] and now["state"] == "running")

    assert "KILL" in shop.ok("why", "db").out


def test_secrets_are_shown_nowhere(shop):
    for command in ("status --json --detailed", "config", "config --json", "plan", "events --json", "why db"):
        assert "hunter2hunter2" not in shop.ok(*command.split()).text
    for path in shop.state_dir.glob("*.log"):
        assert "hunter2hunter2" not in path.read_text()


def test_merged_logs_have_a_prefix_and_keep_their_order(shop):
    lines = shop.ok("logs").out.splitlines()

    assert [tuple(part.strip() for part in line.split("|")) for line in lines] == [("db", "db none"), ("api", "api")]


def test_every_command_answers_in_json_errors_too(shop):
    for command in ("status", "plan", "config", "health", "plugins", "version", "daemon status", "why db"):
        assert isinstance(shop.ok(*command.split(), "--json").json, dict)
    for line in shop.ok("logs", "--json").out.splitlines() + shop.ok("events", "--json").out.splitlines():
        assert isinstance(json.loads(line), dict)
    wrong = shop.run("why", "nobody", "--json")
    assert wrong.code == 2
    assert wrong.json["error"]["kind"] == "service.unknown"
