"""`harness env get` against the real daemon."""

from __future__ import annotations

import pytest

CONFIG = """\
version: "1.0"
name: shop
services:
  db:
    type: process
    command: [sleep, "1000"]
    ports: [{ name: sql, port: auto, protocol: postgres }]
    env: { DB_PASSWORD: hunter22 }
  api:
    type: process
    command: [sleep, "1000"]
    env_file: [api.env]
    env: { DATABASE_URL: "postgres://me:hunter22@${db.host}:${db.port}/shop", MODE: "fast\\nloud" }
"""


@pytest.fixture
def shop(harness):
    harness.write(CONFIG)
    (harness.project / "api.env").write_text("LEVEL=info\nMODE=slow\n")
    harness.ok("apply", "--no-start")
    return harness


def test_the_only_value_that_was_asked_for_is_written_as_it_is(shop):
    shop.ok("start", "api")
    port = shop.service("db")["endpoints"]["sql"].rpartition(":")[2]

    assert shop.ok("env", "get", "DATABASE_URL", "-s", "api").out == f"postgres://me:••••••@127.0.0.1:{port}/shop\n"
    assert shop.ok("env", "get", "MODE", "-s", "api").out == "fast\nloud\n"


def test_a_pipe_gets_a_variable_a_line_and_names_of_several_services(shop):
    one = shop.ok("env", "get", "-s", "db").out.splitlines()
    several = shop.ok("env", "get", "LEVEL", "MODE", "DB_PASSWORD").out.splitlines()

    assert "DB_PASSWORD=••••••" in one
    assert f"HOME={shop.env['HOME']}" in one
    assert several == ["api | LEVEL=info", "api | MODE=fast\\nloud", "db | DB_PASSWORD=••••••"]


def test_a_value_that_is_not_there_yet_is_a_warning_and_an_error_where_it_is_asked_for(shop):
    all_of_them = shop.run("env", "get", "-s", "api")
    that_one = shop.run("env", "get", "DATABASE_URL", "-s", "api")

    assert all_of_them.code == 0
    assert "DATABASE_URL" not in all_of_them.out
    assert "warning: DATABASE_URL: no value now: ${db.host}: 'db' is stopped" in all_of_them.err
    assert that_one.code == 1
    assert that_one.err.startswith("error[reference.unresolved]: DATABASE_URL of 'api' has no value now")


def test_json_tells_where_each_came_from(shop):
    answer = shop.ok("env", "get", "LEVEL", "MODE", "HOME", "DATABASE_URL", "-s", "api", "--json").json

    found = {one["name"]: one for one in answer["services"][0]["variables"]}
    assert answer["project"].startswith("shop-")
    assert (found["LEVEL"]["source"], found["LEVEL"]["file"]) == ("env_file", str(shop.project / "api.env"))
    assert (found["MODE"]["source"], found["MODE"]["file"]) == ("env", None)
    assert found["HOME"]["source"] == "inherited"
    assert found["DATABASE_URL"]["value"] is None


def test_a_terminal_gets_a_table(shop):
    terminal = shop.terminal("env", "get", "LEVEL", "MODE", "-s", "api")

    assert terminal.wait() == 0
    rows = [row.split() for row in terminal.plain.splitlines()]
    assert rows == [["name", "value", "from"], ["LEVEL", "info", str(shop.project / "api.env")], ["MODE", "fast\\nloud", "env"]]


def test_what_nobody_has_is_named_with_a_suggestion(shop):
    result = shop.run("env", "get", "LEVL")

    assert result.code == 1
    assert "error[variable.unknown]: no variable LEVL in the environment of any of these services" in result.err
    assert "did you mean LEVEL?" in result.err
    assert shop.run("env", "get", "-s", "apii").code == 2
    assert shop.ok("env", "get", "LEVEL", "MODE", "-q").out == "LEVEL\nMODE\n"
