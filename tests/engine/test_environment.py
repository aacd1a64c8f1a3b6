"""The environment of a service as it sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness_core.config.model import service_from_json
from harness_core.contracts.events import State
from harness_core.engine.environment import UnknownVariable
from harness_core.mask import MASK

PROJECT = "shop-1"
COMMAND = {"argv": ["./api"], "working_dir": "/", "shell": False, "stdin": False, "tty": False}
DB_PORT = {"name": "sql", "inner": 5432, "outer": 31000, "protocol": "postgres"}
DB = {"ports": [DB_PORT], "env": {"DB_PASSWORD": "hunter22"}, "secrets": ["hunter22"]}


async def environment(bench: Any, service: str = "api") -> dict[str, Any]:
    answer = await bench.manager.environment(PROJECT, [service], None)
    return {variable["name"]: variable for variable in answer["services"][0]["variables"]}


async def value(bench: Any, name: str) -> str | None:
    found: str | None = (await environment(bench))[name]["value"]
    return found


async def test_a_reference_has_the_value_that_the_service_sees(bench: Any) -> None:
    await bench.apply({"db": DB, "api": {"env": {"DB": "${db.url}"}, "dependencies": {"db": "started"}}})
    await bench.reaches("api", State.RUNNING)

    assert (await environment(bench))["DB"] == {
        "name": "DB", "value": "postgres://127.0.0.1:31000", "source": "env", "file": None, "secret": False, "problem": None,
    }  # fmt: skip


async def test_of_what_does_not_run_it_is_what_it_would_be_started_with(bench: Any) -> None:
    await bench.apply({"db": DB, "api": {"env": {"DB": "${db.url}"}}}, start=False)
    await bench.start("db")
    await bench.reaches("db", State.RUNNING)
    there = await value(bench, "DB")
    await bench.stop("db")

    gone = (await environment(bench))["DB"]

    assert there == "postgres://127.0.0.1:31000"
    assert gone["value"] is None
    assert gone["problem"] == "${db.url}: 'db' is stopped, so it has no address now"


async def test_of_what_runs_it_is_what_it_was_started_with(bench: Any) -> None:
    await bench.apply({"db": DB, "api": {"env": {"DB": "${db.url}"}, "dependencies": {"db": "started"}}})
    await bench.reaches("api", State.RUNNING)

    await bench.stop("db")

    assert await value(bench, "DB") == "postgres://127.0.0.1:31000"


async def test_a_port_of_ones_own_is_known_once_it_was_chosen(bench: Any) -> None:
    ports = [{"name": "http", "inner": None, "outer": None, "protocol": "http"}]
    await bench.apply({"api": {"ports": ports, "env": {"PORT": "${api.port}"}}}, start=False)
    before = (await environment(bench))["PORT"]
    await bench.start("api")
    await bench.reaches("api", State.RUNNING)
    running = await value(bench, "PORT")

    await bench.stop("api")

    assert before["problem"] == "its own port is chosen when it starts"
    assert (running or "").isdigit()
    assert await value(bench, "PORT") == running


async def test_what_was_inherited_and_what_a_file_says_is_told_apart(bench: Any) -> None:
    project = bench.project({"api": {"env": {"A": "1", "B": "2"}, "inherited_env": {"HOME": "/home/me"}, "command": COMMAND}})
    body = {**project.services["api"].block, "env_files": {"A": "/home/me/shop/.env.api"}}
    project = replace(project, services={"api": service_from_json("api", body)})
    await bench.manager.apply(project, services=None, start=False, wait=False, timeout=None, by="test")

    found = await environment(bench)

    assert {name: (one["source"], one["file"]) for name, one in found.items()} == {
        "A": ("env_file", "/home/me/shop/.env.api"), "B": ("env", None), "HOME": ("inherited", None),
    }  # fmt: skip


async def test_secrets_are_masked_wherever_they_stand_also_those_of_others(bench: Any) -> None:
    env = {"URL": "postgres://me:hunter22@x", "API_TOKEN": "a", "MARKED": "see ${db.port}", "PLAIN": "hunter"}
    secrets = ["see ${db.port}"]
    await bench.apply({"db": DB, "api": {"env": env, "secrets": secrets}}, start=False)
    await bench.start("db")
    await bench.reaches("db", State.RUNNING)

    for _ in range(2):
        found = await environment(bench)
        assert {name: (one["value"], one["secret"]) for name, one in found.items()} == {
            "URL": (f"postgres://me:{MASK}@x", True), "API_TOKEN": (MASK, True), "MARKED": (MASK, True),
            "PLAIN": ("hunter", False),
        }  # fmt: skip
        # And the same while it runs.
        await bench.start("api")
        await bench.reaches("api", State.RUNNING)


async def test_after_a_restart_of_the_daemon_secrets_are_masked_and_not_missing(bench: Any) -> None:
    await bench.apply({"api": {"env": {"URL": "postgres://me:hunter22@x", "N": "1"}, "secrets": ["hunter22"]}})
    await bench.reaches("api", State.RUNNING)

    await bench.reopen()

    assert bench.supervisor("api").state is State.RUNNING
    assert await value(bench, "URL") == f"postgres://me:{MASK}@x"
    assert await value(bench, "N") == "1"


async def test_names_pick_and_unknown_ones_get_a_suggestion(bench: Any) -> None:
    await bench.apply({"db": DB, "api": {"env": {"DATABASE": "x", "MODE": "y"}}}, start=False)

    picked = (await bench.manager.environment(PROJECT, None, ["MODE"]))["services"]

    assert [(one["service"], [v["name"] for v in one["variables"]]) for one in picked] == [("api", ["MODE"]), ("db", [])]
    with pytest.raises(UnknownVariable, match="no variable DATABSE in the environment of 'api'") as raised:
        await bench.manager.environment(PROJECT, ["api"], ["DATABSE"])
    assert raised.value.hint == "did you mean DATABASE?"
