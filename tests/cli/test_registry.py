"""`harness registry`: what runs where, against the real daemon."""

from __future__ import annotations

import json
import subprocess

import pytest

CONFIG = """\
version: "1.0"
name: shop
services:
  db:
    type: process
    command: [sleep, "1000"]
    ports: [{ name: sql, port: auto, protocol: postgres }, { name: admin, port: auto }]
  api: { type: process, command: [sleep, "1000"] }
"""


@pytest.fixture
def shop(harness):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    return harness


def urls(harness) -> dict[str, str]:
    found: dict[str, str] = harness.service("db")["endpoints"]
    return found


def test_list_has_a_row_for_every_address(shop):
    rows = [row.split() for row in shop.ok("registry", "list").out.splitlines()]

    assert rows == [
        ["service", "state", "place", "endpoint", "address", "valid", "in"],
        ["api", "running", "local", "-", "-", "-"],
        ["db", "running", "local", "sql", urls(shop)["sql"], "local"],
        ["db", "running", "local", "admin", urls(shop)["admin"], "local"],
    ]
    assert shop.ok("registry", "list", "-q", "db").out == "db\n"


def test_list_of_everything_needs_no_configuration_here(shop, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    done = subprocess.run(
        [*shop.command, "registry", "list", "--all", "--json"],
        cwd=elsewhere, env=shop.env, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    records = json.loads(done.stdout)["services"]
    assert [(one["service"], one["place"]) for one in records] == [
        ("api", {"host": "local", "network": None}), ("db", {"host": "local", "network": None}),
    ]  # fmt: skip
    assert all(one["project"].startswith("shop-") for one in records)


def test_resolve_tells_host_port_and_url(shop):
    answer = shop.ok("registry", "resolve", "db", "sql", "--from", "api", "--json").json

    url = urls(shop)["sql"]
    assert answer["from"] == "api"
    assert answer["endpoints"] == [
        {"name": "sql", "protocol": "postgres", "host": "127.0.0.1", "port": int(url.rpartition(":")[2]), "url": url}
    ]
    assert shop.ok("registry", "resolve", "db", "-q").out.split() == list(urls(shop).values())
    assert shop.ok("registry", "resolve", "db", "sql").out.splitlines()[1].split()[0] == "sql"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("api",), 1, "'api' has no port"),
        (("db", "web"), 1, "'db' has no endpoint 'web'; known: sql, admin"),
        (("dbb",), 2, "did you mean 'db'?"),
        (("db", "--from", "apii"), 2, "did you mean 'api'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_can_not_be_resolved_says_why(shop, arguments, code, words):
    result = shop.run("registry", "resolve", *arguments)

    assert result.code == code
    assert words in result.err
    assert result.out == ""


def test_what_does_not_run_has_no_address_and_is_told_how_to_get_one(shop):
    shop.ok("stop", "db")

    result = shop.run("registry", "resolve", "db")

    assert result.code == 1
    assert "'db' is stopped, so it has no address now" in result.err
    assert "hint: harness start db" in result.err


def test_watch_tells_every_change_also_over_a_restart_of_the_daemon(shop):
    watching = shop.terminal("registry", "watch", "db")
    watching.expect(r"db  running  postgres://\S+ tcp://\S+\n", within=60)

    shop.ok("stop", "db")
    watching.expect(r"db  stopped\n", within=60)
    shop.ok("daemon", "stop")
    watching.expect("the daemon went away", within=60)
    shop.ok("start", "db")
    watching.expect(r"connected again\n(.*\n)*.*db  running  postgres://", within=60)
    watching.press("\x03")

    assert watching.wait() == 130
    # What was known already is not told again by the next daemon.
    after = watching.plain.partition("connected again")[2]
    assert "api" not in watching.plain
    assert after.count("db  stopped") == 0


def test_watch_in_json_is_one_record_a_line(shop, eventually, tmp_path):
    out = tmp_path / "watched"
    with out.open("wb") as file:
        watching = subprocess.Popen([*shop.command, "registry", "watch", "--json"], cwd=shop.project, env=shop.env, stdout=file)
    try:

        def last(service: str) -> dict[str, object]:
            records = [json.loads(text) for text in out.read_text().splitlines(keepends=True) if text.endswith("\n")]
            return next((one for one in reversed(records) if one["service"] == service), {})

        eventually(lambda: last("api") and last("db"), within=30, what="both are told")
        assert last("db") == {"type": "registry", **shop.ok("registry", "list", "db", "--json").json["services"][0]}
        shop.ok("stop", "api")
        eventually(lambda: last("api")["state"] == "stopped", within=30, what="the stop is told")
    finally:
        watching.terminate()
        watching.wait(30)
    assert last("db")["state"] == "running"
