"""One service as `status` shows it, and why it is so."""

from __future__ import annotations

from typing import Any

from harness_core.contracts.events import State
from harness_core.contracts.health import Health
from harness_core.testing import Behaviour

FIELDS = {
    "name", "type", "state", "health", "pid", "run", "ref", "started_at", "since", "restarts", "exit", "reason", "endpoints",
    "containment", "oneshot", "wanted", "waiting_for", "description",
}  # fmt: skip


async def status(bench: Any, name: str, *, detailed: bool = False) -> dict[str, Any]:
    [service] = (await bench.manager.status("shop-1", [name], detailed=detailed))["services"]
    return dict(service)


async def why(bench: Any, name: str) -> dict[str, Any]:
    return dict(await bench.manager.why("shop-1", name))


async def test_a_running_service(bench: Any) -> None:
    await bench.apply({"api": {"health_check": bench.health(), "ports": [bench.port()], "description": "the door"}}, wait=True)
    run = bench.world.latest("api").spec

    told = await status(bench, "api", detailed=True)

    assert set(told) >= FIELDS
    assert (told["state"], told["health"], told["run"], told["ref"]) == ("running", "healthy", run.run, "fake 1")
    assert told["endpoints"] == {"http": f"http://127.0.0.1:{run.ports[0].outer}"}
    assert (told["memory"], told["processes"]) == (1024 * 1024, 1)
    assert (await why(bench, "api"))["summary"].startswith("api runs and is healthy (for ")


async def test_a_service_that_waits_says_for_what(bench: Any) -> None:
    bench.check.answer("db", Health(False, "starting up"))
    await bench.apply({"api": {"dependencies": {"db": "healthy"}}, "db": {"health_check": bench.health("db", retries=1000)}})
    await bench.reaches("api", State.WAITING)
    await bench.reaches("db", State.RUNNING)
    await bench.until(lambda: "starting up" in bench.supervisor("api").reason)

    told = await status(bench, "api")

    assert told["waiting_for"] == "waiting for db to be healthy (running, health starting: starting up)"
    assert (await why(bench, "api"))["summary"].startswith("api is waiting for db to be healthy")


async def test_a_crash_loop_is_told_with_its_story_and_its_last_words(bench: Any) -> None:
    bench.world.script("api", Behaviour(output=("out of luck",), after=0, code=7))
    await bench.apply({"api": {"restart": {"max_restarts": 1}}})
    await bench.reaches("api", State.FAILED)

    told = await why(bench, "api")

    assert told["summary"] == "api failed: crash loop: 2 failures in 60 s; last: exited with code 7"
    assert any("exited with code 7" in cause["text"] for cause in told["causes"])
    assert any("restart 1 in" in cause["text"] for cause in told["causes"])
    assert told["causes"][-1]["text"] == "last asked by test"
    assert "out of luck" in told["last_lines"]
    assert told["exit"]["code"] == 7


async def test_what_was_before_somebody_started_it_again_is_no_cause(bench: Any) -> None:
    bench.world.script("api", Behaviour(after=0, code=7))
    await bench.apply({"api": {"restart": {"max_restarts": 1}}})
    await bench.reaches("api", State.FAILED)
    bench.world.script("api", Behaviour())

    await bench.start("api")
    await bench.reaches("api", State.RUNNING)

    assert [cause["text"] for cause in (await why(bench, "api"))["causes"]] == ["last asked by test"]


async def test_a_stop_is_told_by_whom(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)
    await bench.stop("api")

    told = await why(bench, "api")

    assert told["summary"] == "api is stopped: asked by test"
    assert (await status(bench, "api"))["run"] is None


async def test_the_overview_counts(bench: Any) -> None:
    await bench.apply({"a": {}, "b": {}}, wait=True)
    await bench.stop("b")

    [project] = bench.manager.projects()

    assert (project["id"], project["services"], project["wanted"], project["running"]) == ("shop-1", 2, 1, 1)
    assert not bench.manager.idle
    await bench.stop()
    assert bench.manager.idle
