"""Requests: plans carried out, intents committed, orders in the right order."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import closing
from typing import Any

import pytest

from harness_core.contracts.errors import Full, HarnessError, PortTaken
from harness_core.contracts.events import State
from harness_core.contracts.health import Health
from harness_core.contracts.offer import Capability
from harness_core.engine.preparation import CutByStop, PrepareFailed
from harness_core.engine.project import RunningDependents, UnknownProject, UnknownService
from harness_core.testing import FAKE_CAPABILITIES, Behaviour, fake_offer

CHAIN: dict[str, Any] = {
    "web": {"dependencies": {"api": "started"}},
    "api": {"dependencies": {"db": "started"}},
    "db": {},
}


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_stop_goes_backwards_through_the_graph_one_after_the_other(bench: Any) -> None:
    bench.world.script("web", Behaviour(stop_delay=0.05))
    bench.world.script("api", Behaviour(stop_delay=0.05))
    await bench.apply(CHAIN, wait=True)

    result = await bench.stop()

    assert result["reached"]
    told = [(e["kind"], e["service"]) for e in bench.events(None, "stop-requested", "exited")]
    assert told == [(kind, name) for name in ("web", "api", "db") for kind in ("stop-requested", "exited")]


async def test_what_others_need_is_not_stopped_unless_forced(bench: Any) -> None:
    await bench.apply(CHAIN, wait=True)

    with pytest.raises(RunningDependents, match="api, web depend on db and still run"):
        await bench.stop("db", force=False)
    assert (await bench.stop("db"))["reached"]

    assert bench.supervisor("api").state is State.RUNNING


async def test_a_dependent_that_can_not_be_stopped_does_not_hold_up_the_rest(bench: Any) -> None:
    bench.world.script("web", Behaviour(refuses_stop=True, survives_kill=True))
    await bench.apply({**CHAIN, "web": {**CHAIN["web"], "stop": {"timeout": 0.05}}}, wait=True)

    async with asyncio.timeout(5):
        result = await bench.stop()

    assert {s["name"]: s["state"] for s in result["services"]} == {"web": "stop-stuck", "api": "stopped", "db": "stopped"}
    bench.world.end("web")


async def test_a_restart_leaves_dependents_alone(bench: Any) -> None:
    await bench.apply(CHAIN, wait=True)

    result = await bench.restart("api", wait=True)

    assert result["reached"]
    assert bench.order_of("started") == ["db", "api", "web", "api"]
    assert bench.events("api", "exited")[0]["intended"]
    assert not bench.events("api", "restart-scheduled")


async def test_an_apply_restarts_exactly_what_changed_and_with_the_new_environment(bench: Any) -> None:
    await bench.apply({"a": {"env": {"X": "1", "Y": "2"}}, "b": {}, "c": {}}, wait=True)

    result = await bench.apply({"c": {"description": "other"}, "b": {}, "a": {"env": {"X": "3"}}}, wait=True)

    assert {s["service"]: s["action"] for s in result["plan"]["steps"]} == {"a": "restart", "b": "keep", "c": "keep"}
    assert result["plan"]["steps"][0]["reason"] == "changed: env"
    assert bench.order_of("started") == ["a", "b", "c", "a"]
    assert dict(bench.world.latest("a").spec.env) == {"X": "3"}


async def test_a_change_of_two_in_a_chain_stops_backwards_and_starts_forwards(bench: Any) -> None:
    await bench.apply(CHAIN, wait=True)

    changed = {name: {**keys, "env": {"V": "2"}} for name, keys in CHAIN.items()}
    await bench.apply(changed, wait=True)

    told = [(e["kind"], e["service"]) for e in bench.events(None, "started", "exited")][3:]
    assert [who for kind, who in told if kind == "exited"] == ["web", "api", "db"]
    assert [who for kind, who in told if kind == "started"] == ["db", "api", "web"]


async def test_what_is_removed_stops_and_disappears_with_its_task(bench: Any) -> None:
    await bench.apply({"a": {}, "b": {}}, wait=True)
    tasks = len(bench.manager._tasks)

    result = await bench.apply({"a": {}}, wait=True)
    await bench.until(lambda: "b" not in bench.manager._projects["shop-1"].supervisors)

    assert next(s for s in result["plan"]["steps"] if s["service"] == "b")["reason"] == "no longer in the configuration"
    assert not bench.world.running("b")
    await bench.until(lambda: ("wish", "shop-1/b") not in bench.store.records)
    await bench.until(lambda: len(bench.manager._tasks) < tasks)


async def test_a_rename_is_told_as_one(bench: Any) -> None:
    await bench.apply({"old": {"env": {"A": "1"}}}, wait=True)

    result = await bench.apply({"new": {"env": {"A": "1"}}}, wait=True)

    assert result["plan"]["steps"][0] == {
        "service": "old", "action": "remove", "reason": "renamed to 'new': stops here and starts there",
    }  # fmt: skip


async def test_a_service_that_comes_back_while_it_is_removed_stays(bench: Any) -> None:
    bench.world.script("b", Behaviour(stop_delay=0.1))
    await bench.apply({"a": {}, "b": {}}, wait=True)

    await bench.apply({"a": {}})
    await bench.apply({"a": {}, "b": {}}, wait=True)

    assert bench.supervisor("b").state is State.RUNNING
    assert bench.store.records["wish", "shop-1/b"].value["up"]


async def test_a_fixed_port_moves_from_a_removed_service_to_a_new_one(bench: Any, monkeypatch: Any) -> None:
    number = free_port()
    holders: dict[str, socket.socket] = {}
    _bind_ports(bench, holders, monkeypatch)
    bench.world.script("old", Behaviour(stop_delay=0.2))
    await bench.apply({"old": {"ports": [bench.port(inner=number)], "env": {"O": "1"}}}, wait=True)

    result = await bench.apply({"new": {"ports": [bench.port(inner=number)]}}, wait=True)

    assert result["reached"]
    assert bench.states("new") == ["waiting", "starting", "running"]
    assert not bench.events("new", "restart-scheduled")
    assert bench.world.latest("new").spec.ports[0].outer == number
    for holder in holders.values():
        holder.close()


async def test_two_services_swap_their_ports(bench: Any, monkeypatch: Any) -> None:
    first, second = free_port(), free_port()
    holders: dict[str, socket.socket] = {}
    _bind_ports(bench, holders, monkeypatch)
    await bench.apply({"a": {"ports": [bench.port(inner=first)]}, "b": {"ports": [bench.port(inner=second)]}}, wait=True)

    result = await bench.apply({"a": {"ports": [bench.port(inner=second)]}, "b": {"ports": [bench.port(inner=first)]}}, wait=True)

    assert result["reached"]
    assert not bench.events(None, "restart-scheduled")
    for holder in holders.values():
        holder.close()


def _bind_ports(bench: Any, holders: dict[str, socket.socket], monkeypatch: Any) -> None:
    """Services of the world listen on their ports as long as they live."""
    start, finish = bench.world.start, bench.world.finish

    def started(spec: Any) -> Any:
        holders[spec.run] = listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", spec.ports[0].outer))
        listening.listen()
        return start(spec)

    def finished(run: Any, exit: Any) -> None:
        if run.spec.run in holders:
            holders.pop(run.spec.run).close()
        finish(run, exit)

    monkeypatch.setattr(bench.world, "start", started)
    monkeypatch.setattr(bench.world, "finish", finished)


async def test_a_port_that_is_taken_is_named_with_its_holder_before_anything_starts(bench: Any) -> None:
    with closing(socket.socket()) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        number = stranger.getsockname()[1]

        with pytest.raises(PrepareFailed, match=rf"service 'api': port {number} is in use by pid \d+ \(.*python.*\)") as raised:
            await bench.apply({"api": {"ports": [bench.port(inner=number)]}, "db": {}})

    assert raised.value.kind == PortTaken.kind
    assert not bench.world.history
    assert not [key for key in bench.store.records if key[0] in ("project", "service", "wish")]
    with pytest.raises(UnknownProject):
        await bench.start()


async def test_auto_ports_are_remembered_and_never_given_twice(bench: Any) -> None:
    names = [f"s{number}" for number in range(5)]
    await bench.apply({name: {"ports": [bench.port()]} for name in names}, wait=True)
    before = {name: bench.world.latest(name).spec.ports[0].outer for name in names}

    await bench.restart(*names, wait=True)

    assert len(set(before.values())) == 5
    assert {name: bench.world.latest(name).spec.ports[0].outer for name in names} == before


async def test_everything_that_is_missing_is_named_before_anything_starts(bench: Any) -> None:
    for name in ("a", "b"):
        bench.world.script(name, Behaviour(failures=-1, failure="command-not-found"))

    with pytest.raises(PrepareFailed, match=r"nothing was started: service 'a': .*; service 'b': ") as raised:
        await bench.apply({"a": {}, "b": {}, "c": {}})

    assert raised.value.kind == "launch.command-not-found"
    assert not bench.world.history


async def test_a_stop_cuts_a_preparation(bench: Any) -> None:
    await bench.apply({"api": {}}, start=False)
    bench.world.script("api", Behaviour(prepare_delay=30))
    starting = asyncio.ensure_future(bench.start("api"))
    await bench.until(lambda: bench.events("api", "progress"))

    async with asyncio.timeout(5):
        result = await bench.stop()
        with pytest.raises(CutByStop):
            await starting

    assert result["reached"]
    assert not bench.world.history
    assert bench.events("api", "progress")[0]["detail"] == "preparing"


async def test_a_client_that_goes_away_leaves_what_was_accepted_going(bench: Any) -> None:
    bench.world.script("api", Behaviour(prepare_delay=0.1))
    client = asyncio.ensure_future(bench.apply({"api": {}}, wait=True))
    await bench.until(lambda: bench.events("api", "progress"))

    client.cancel()
    await asyncio.wait({client})
    await bench.until(lambda: bench.manager._projects["shop-1"].supervisors)

    assert client.cancelled()
    await bench.reaches("api", State.RUNNING)


async def test_requests_that_meet_queue_and_say_so(bench: Any) -> None:
    bench.world.script("api", Behaviour(prepare_delay=0.1))
    first = asyncio.ensure_future(bench.apply({"api": {}}))
    await bench.until(lambda: bench.events("api", "progress"))
    second = asyncio.ensure_future(bench.apply({"api": {"env": {"A": "1"}}}))

    await asyncio.gather(first, second)
    await bench.until(lambda: bench.world.running("api") and bench.world.latest("api").spec.env)

    told = [event["detail"] for event in bench.events(None, "progress")]
    assert "apply asked by test waits: apply asked by test is in progress" in told


async def test_names_that_are_unknown_are_refused_with_a_suggestion(bench: Any) -> None:
    await bench.apply({"database": {}})

    with pytest.raises(UnknownService, match="'databse'") as raised:
        await bench.start("databse")

    assert raised.value.hint == "did you mean 'database'?"


async def test_start_and_stop_say_already(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)

    again = await bench.start("api", wait=True)
    await bench.stop("api")
    stopped = await bench.stop("api")

    assert again["reached"]
    assert again["services"][0]["already"]
    assert stopped["reached"]
    assert stopped["services"][0]["already"]


async def test_down_forgets_everything_and_up_begins_anew(bench: Any) -> None:
    await bench.apply(CHAIN, wait=True)
    tasks = len(bench.manager._tasks)

    await bench.stop(down=True)
    assert bench.manager.projects() == []
    await bench.manager._store.flush()

    assert [key for key in bench.store.records if key[0] != "event"] == []
    assert not bench.world.runs
    assert len(bench.manager._tasks) <= tasks - len(CHAIN)
    assert (await bench.apply(CHAIN, wait=True))["reached"]


async def test_a_full_registry_fails_intents_and_leaves_services_alone(bench: Any) -> None:
    await bench.apply({"api": {}, "db": {}}, wait=True)
    bench.store.fault = Full("no room left on the disk")

    with pytest.raises(Full):
        await bench.stop("db")
    with pytest.raises(Full):
        await bench.apply({"api": {"env": {"A": "1"}}, "db": {}})
    bench.world.end("api", code=1)
    await bench.until(lambda: len(bench.world.running("api")) == 1)
    await bench.until(lambda: bench.manager.degraded)
    assert "no room left" in bench.manager.degraded
    bench.store.fault = None

    await bench.until(lambda: not bench.manager.degraded)
    stored = [event.body for event in bench.store.events]
    assert [event["seq"] for event in stored] == list(range(1, len(stored) + 1))
    assert [event for event in stored if event["kind"] == "restart-scheduled"]
    assert bench.supervisor("db").state is State.RUNNING


async def test_references_are_what_the_asker_sees(bench: Any) -> None:
    from harness_core.contracts.place import Place

    bench.executors = (
        fake_offer(bench.world, name="fake"),
        fake_offer(bench.world, name="boxed", place=Place("local", network="net", host_alias="host.docker.internal")),
    )
    await bench.reopen()
    number = free_port()
    env = {"URL": "${db.url}", "PORT": "${db.port.http}", "ME": "${api.port}", "DOLLAR": "$$5"}

    await bench.apply(
        {
            "db": {"ports": [bench.port(inner=number)]},
            "api": {"dependencies": {"db": "started"}, "env": env, "ports": [bench.port(inner=8080, outer=free_port())]},
            "boxed": {"type": "boxed", "dependencies": {"db": "started"}, "env": {"URL": "${db.url}"}},
        },
        wait=True,
    )

    seen = bench.world.latest("api").spec.env
    assert seen == {"URL": f"http://127.0.0.1:{number}", "PORT": str(number), "ME": "8080", "DOLLAR": "$5"}
    assert bench.world.latest("boxed").spec.env == {"URL": f"http://host.docker.internal:{number}"}


async def test_secrets_are_nowhere_to_be_found(bench: Any) -> None:
    secret = "hunter22hunter"
    url = "postgres://u:${db.port}-in-here"
    bench.check.answer("api", Health(False, f"login with {secret} refused"))
    bench.world.script("api", Behaviour(output=(f"password is {secret}",)))

    await bench.apply(
        {
            "db": {"ports": [bench.port(inner=free_port())]},
            "api": {
                "env": {"DB_PASSWORD": secret, "API_TOKEN": url},
                "secrets": [secret, url],
                "config": {"note": f"x{secret}y"},
                "dependencies": {"db": "started"},
                "health_check": bench.health(retries=2, restart_on_failure=True),
            },
        }
    )
    await bench.until(lambda: bench.events("api", "restart-scheduled"))
    made = bench.world.history[-1].env["API_TOKEN"]
    await bench.manager._store.flush()

    told = {
        "events": bench.events(),
        "stored": [event.body for event in bench.store.events],
        "status": await bench.manager.status("shop-1", None, detailed=True),
        "why": await bench.manager.why("shop-1", "api"),
        "runs": [r.value for key, r in bench.store.records.items() if key[0] == "run"],
    }
    assert made.startswith("postgres://u:")
    assert "-in-here" in made
    for where, what in told.items():
        assert secret not in json.dumps(what), where
        assert made not in json.dumps(what), where
    assert told["runs"]


async def test_an_endless_wait_ends_when_success_has_become_impossible(bench: Any) -> None:
    bench.world.script("db", Behaviour(failures=-1, failure="permanent", output=("x",)))

    async with asyncio.timeout(5):
        result = await bench.apply(CHAIN, wait=True, timeout=None)

    assert not result["reached"]
    assert not result["timed_out"]
    states = {s["name"]: s["state"] for s in result["services"]}
    assert states["db"] == "failed"


async def test_a_wait_ends_at_its_timeout(bench: Any) -> None:
    bench.check.answer("api", Health(False))

    result = await bench.apply({"api": {"health_check": bench.health(retries=1000)}}, wait=True, timeout=0.1)

    assert result["timed_out"]
    assert not result["reached"]


async def test_two_hundred_services_start_and_stop_quickly(bench: Any) -> None:
    services = {f"s{n:03}": {"dependencies": {f"s{n - 10:03}": "started"} if n >= 10 else {}} for n in range(200)}

    began = time.monotonic()
    result = await bench.apply(services, wait=True)
    up = time.monotonic() - began
    began = time.monotonic()
    stopped = await bench.stop()
    down = time.monotonic() - began

    assert result["reached"]
    assert stopped["reached"]
    assert up < 10
    assert down < 10


async def test_health_and_signals_can_be_asked_for(bench: Any) -> None:
    await bench.apply({"api": {"health_check": bench.health()}, "plain": {}}, wait=True)
    bench.check.answer("api", Health(True, "fine"))

    answers = {answer["name"]: answer for answer in (await bench.manager.health("shop-1", None))["services"]}
    await bench.manager.console.signal("shop-1", "api", "SIGUSR1", by="test")

    assert answers["api"]["healthy"]
    assert answers["plain"]["detail"] == "no health check"
    assert bench.world.latest("api").signals == ["USR1"]
    await bench.stop("api")
    with pytest.raises(HarnessError, match="there is nothing to signal"):
        await bench.manager.console.signal("shop-1", "api", "USR1", by="test")


async def test_a_stop_command_runs_inside_first(bench: Any) -> None:
    from harness_core.contracts.health import ExecResult

    bench.executors = (fake_offer(bench.world, capabilities=FAKE_CAPABILITIES | {Capability.EXEC}),)
    await bench.reopen()
    ran: list[Any] = []
    bench.world.on_exec = lambda spec, command: (ran.append(command.argv), ExecResult(7, b""))[1]
    await bench.apply({"api": {"stop": {"command": ["bye", "now"]}}}, wait=True)

    await bench.stop("api")

    assert ran == [("bye", "now")]
    assert bench.events("api", "note")[0]["detail"] == "stop command bye now exited with 7"
