"""What runs where, and how it is reached from where others stand."""

from __future__ import annotations

from typing import Any

import pytest

from harness_core.contracts.events import State
from harness_core.contracts.place import Place
from harness_core.engine.directory import KINDS, concerned_by
from harness_core.engine.project import UnknownProject, UnknownService
from harness_core.engine.resolve import Unresolved
from harness_core.testing import fake_offer

PROJECT = "shop-1"
BOX = Place("box", host_alias="10.0.0.1")
PORTS = [{"name": "sql", "inner": 5432, "outer": 31000, "protocol": "postgres"}]


async def on_two_hosts(bench: Any, **services: Any) -> None:
    """`db` and `far` stand on another host, `api` here."""
    bench.executors = (*bench.executors, fake_offer(bench.world, name="far", place=BOX))
    await bench.reopen()
    await bench.apply({"db": {"type": "far", "ports": PORTS}, "far": {"type": "far"}, "api": {}, **services})
    for name in ("db", "far", "api"):
        await bench.reaches(name, State.RUNNING)


async def test_a_record_tells_state_place_and_every_address(bench: Any) -> None:
    await on_two_hosts(bench)

    record = next(one for one in bench.manager.registry(PROJECT, ["db"]))

    box = {"host": "box", "network": None}
    assert record == {
        "project": PROJECT, "service": "db", "type": "far", "state": "running", "health": "none",
        "run": bench.supervisor("db").run.id, "place": box,
        "endpoints": [
            {"name": "sql", "protocol": "postgres", "addresses": [{"host": "10.0.0.1", "port": 31000, "within": box}]}
        ],
    }  # fmt: skip
    assert [one["service"] for one in bench.manager.registry(None, None)] == ["api", "db", "far"]


async def test_a_service_whose_plugin_is_missing_stands_nowhere(bench: Any) -> None:
    await on_two_hosts(bench)
    bench.executors = bench.executors[:-1]
    await bench.reopen()

    assert bench.manager.registry(PROJECT, ["far"])[0]["place"] is None
    with pytest.raises(Unresolved, match="nobody can tell where 'far' stands"):
        bench.manager.resolve(PROJECT, "api", viewer="far", endpoint=None)


async def test_the_same_service_is_reached_in_another_way_from_elsewhere(bench: Any) -> None:
    await on_two_hosts(bench)

    near = bench.manager.resolve(PROJECT, "db", viewer="far", endpoint="sql")

    assert near["from"] == "far"
    assert near["endpoints"] == [
        {"name": "sql", "protocol": "postgres", "host": "10.0.0.1", "port": 31000, "url": "postgres://10.0.0.1:31000"}
    ]
    for viewer in ("api", None):
        with pytest.raises(Unresolved, match="no address that can be reached from host 'local'") as raised:
            bench.manager.resolve(PROJECT, "db", viewer=viewer, endpoint=None)
        assert raised.value.hint


async def test_oneself_is_reached_on_the_inner_port_also_before_it_runs(bench: Any) -> None:
    await on_two_hosts(bench)
    await bench.stop("db")

    answer = bench.manager.resolve(PROJECT, "db", viewer="db", endpoint=None)

    assert [one["url"] for one in answer["endpoints"]] == ["postgres://127.0.0.1:5432"]


async def test_what_can_not_be_resolved_says_why(bench: Any) -> None:
    await on_two_hosts(bench)
    await bench.stop("db")

    def why(service: str, **asked: Any) -> tuple[str, str]:
        with pytest.raises(Unresolved) as raised:
            bench.manager.resolve(PROJECT, service, **{"viewer": None, "endpoint": None, **asked})
        return raised.value.message, raised.value.hint or ""

    assert why("db") == ("${db.url}: 'db' is stopped, so it has no address now", "harness start db")
    assert why("api") == ("${api.url}: 'api' has no port", "add one under `ports` of 'api'")
    assert why("db", viewer="db", endpoint="web")[0] == "${db.url.web}: 'db' has no such port"
    with pytest.raises(UnknownService, match="'dbb'"):
        bench.manager.resolve(PROJECT, "dbb", viewer=None, endpoint=None)
    with pytest.raises(UnknownService, match="'apii'"):
        bench.manager.resolve(PROJECT, "db", viewer="apii", endpoint=None)
    with pytest.raises(UnknownProject):
        bench.manager.registry("shop-2", None)


async def test_an_item_of_the_bus_concerns_what_it_is_about(bench: Any) -> None:
    await bench.apply({"api": {}, "db": {}})
    await bench.reaches("api", State.RUNNING)
    about_api = {"type": "event", "event": {"project": PROJECT, "service": "api"}}
    about_all = {"type": "event", "event": {"project": PROJECT, "service": None}}
    missed = {"type": "lagged", "from": 1, "to": 2}
    gone = {"type": "event", "event": {"project": "forgotten", "service": "api"}}

    def told(*items: Any, project: str | None = PROJECT) -> list[str]:
        return [record["service"] for record in bench.manager.registry_after(items, project)]

    assert told(about_api, about_api) == ["api"]
    assert told(about_all) == told(missed) == told(missed, project=None) == ["api", "db"]
    assert told(gone) == []
    assert concerned_by(missed, None) == (None, None)


def test_every_kind_of_event_that_changes_a_record_is_listened_to() -> None:
    assert set(KINDS) == {"state", "started", "exited", "health", "endpoints", "applied"}
