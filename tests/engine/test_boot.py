"""What a daemon finds when it comes back, and what it makes of that."""

from __future__ import annotations

import asyncio
from typing import Any

from harness_core.contracts.events import HealthState, State
from harness_core.contracts.registry import Change
from harness_core.contracts.run import LaunchSpec
from harness_core.testing import Behaviour, MemoryStore


async def test_what_runs_is_adopted_by_its_state_and_not_started_again(bench: Any) -> None:
    await bench.apply({"api": {"health_check": bench.health()}}, wait=True)

    await bench.reopen()
    api = await bench.reaches("api", State.RUNNING)
    await bench.until(lambda: api.health is HealthState.HEALTHY)

    assert len(bench.world.history) == 1
    assert bench.events("api", "state")[-1]["reason"] == "adopted"


async def test_a_run_whose_record_was_never_written_is_found_by_the_survey(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)

    await bench.reopen(between=lambda: _forget(bench.store, "run"))
    await bench.reaches("api", State.RUNNING)

    assert len(bench.world.history) == 1


async def test_a_run_that_is_gone_is_lost_and_its_policy_applies_once(bench: Any) -> None:
    await bench.apply({"api": {}, "once": {"restart": {"when": "no"}}}, wait=True)

    await bench.reopen(between=bench.world.runs.clear)
    await bench.until(lambda: bench.world.running("api"))
    await bench.reaches("api", State.RUNNING)
    once = await bench.reaches("once", State.FAILED)

    assert [spec.service for spec in bench.world.history] == ["api", "once", "api"]
    assert [e["exit"]["reason"] for e in bench.events("api", "exited")] == ["lost"]
    assert once.reason == "ended, exit code unknown (lost)"


async def test_a_run_that_ended_meanwhile_is_followed_with_its_true_exit(bench: Any) -> None:
    await bench.apply({"api": {}, "job": {"oneshot": True}})
    await bench.until(lambda: len(bench.world.history) == 2)
    await bench.reaches("job", State.RUNNING)
    await bench.manager._store.flush()

    def end() -> None:
        bench.world.end("api", code=5)
        bench.world.end("job", code=0)

    await bench.reopen(between=end)
    await bench.until(lambda: bench.world.running("api"))
    await bench.reaches("job", State.COMPLETED)

    assert bench.events("api", "exited")[-1]["exit"]["code"] == 5
    assert [spec.service for spec in bench.world.history].count("job") == 1


async def test_a_place_that_can_not_be_asked_is_asked_again_and_nothing_is_started(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)

    await bench.reopen(between=bench.world.cut_link)
    api = await bench.reaches("api", State.UNREACHABLE)
    await asyncio.sleep(0.15)
    assert api.state is State.UNREACHABLE
    bench.world.linked = True
    await bench.reaches("api", State.RUNNING)

    assert len(bench.world.history) == 1


async def test_a_run_gone_from_a_place_that_answers_again_is_lost_once(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)

    await bench.reopen(between=bench.world.cut_link)
    await bench.reaches("api", State.UNREACHABLE)
    bench.world.runs.clear()  # the host was rebooted
    bench.world.linked = True
    await bench.reaches("api", State.RUNNING)

    assert len(bench.world.history) == 2
    assert len(bench.events("api", "exited")) == 1


async def test_a_stop_meant_for_a_place_that_can_not_be_asked_is_delivered_when_it_can(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)
    await bench.reopen(between=bench.world.cut_link)
    await bench.reaches("api", State.UNREACHABLE)

    async with asyncio.timeout(3):
        result = await bench.stop("api")
    assert not result["reached"]
    bench.world.linked = True
    await bench.reaches("api", State.STOPPED)

    assert not bench.world.running("api")


async def test_what_runs_and_is_not_wanted_is_stopped(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)

    def unwish() -> None:
        wish = dict(bench.store.records["wish", "shop-1/api"].value)
        _write(bench.store, "wish", "shop-1/api", {**wish, "up": False})

    await bench.reopen(between=unwish)
    await bench.reaches("api", State.STOPPED)

    assert not bench.world.running("api")


async def test_a_stopped_service_stays_stopped_and_a_failed_one_failed(bench: Any) -> None:
    bench.world.script("bad", Behaviour(failures=-1, failure="permanent"))
    await bench.apply({"api": {}, "bad": {}})
    await bench.reaches("api", State.RUNNING)
    await bench.reaches("bad", State.FAILED)
    await bench.stop("api")

    await bench.reopen()
    await asyncio.sleep(0.1)

    assert bench.supervisor("api").state is State.STOPPED
    assert bench.supervisor("bad").state is State.FAILED
    assert bench.supervisor("bad").reason == "scripted failure of 'bad'"


async def test_a_wanted_service_without_any_run_is_started(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)

    def crash_before_launch() -> None:
        bench.world.runs.clear()
        _forget(bench.store, "run")

    await bench.reopen(between=crash_before_launch)
    await bench.reaches("api", State.RUNNING)

    assert len(bench.world.history) == 2
    assert not bench.events("api", "exited")


async def test_a_oneshot_that_completed_in_the_instant_of_a_crash_is_not_run_again(bench: Any) -> None:
    await bench.apply({"job": {"oneshot": True, "config": {"after": 0}}}, wait=True)

    def crash_between() -> None:
        _write(bench.store, "wish", "shop-1/job", {"up": True, "outcome": None, "ports": {}})

    await bench.reopen(between=crash_between)
    await bench.reaches("job", State.COMPLETED)

    assert len(bench.world.history) == 1


async def test_a_lost_database_adopts_what_runs_and_an_apply_keeps_it(bench: Any) -> None:
    services = {"api": {"health_check": bench.health(), "labels": {"a": "b"}}}
    await bench.apply(services, wait=True)
    spec = bench.world.latest("api").spec
    _survey_with_specs(bench)

    def lose() -> None:
        bench.store = MemoryStore()

    await bench.reopen(between=lose)
    await bench.reaches("api", State.RUNNING)
    assert "adopted 1 services without their configuration" in bench.manager.degraded
    result = await bench.apply(services, wait=True)

    assert result["reached"]
    assert result["plan"]["steps"] == [{"service": "api", "action": "keep", "reason": "already running"}]
    assert bench.world.latest("api").spec.run == spec.run
    assert bench.supervisor("api").health is HealthState.HEALTHY


async def test_a_crash_after_down_starts_nothing(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)
    await bench.manager._store.flush()
    record = dict(bench.store.records["run", bench.world.latest("api").spec.run].value)
    live = bench.world.latest("api")
    run = live.spec.run
    await bench.stop(down=True)

    def as_if_not_disposed() -> None:
        exit = {"code": 0, "signal": None, "reason": None, "at": None}
        _write(bench.store, "run", run, {**record, "exit": exit})
        bench.world.runs[run] = live

    await bench.reopen(between=as_if_not_disposed)
    await asyncio.sleep(0.1)

    assert bench.manager.projects() == []
    assert len(bench.world.history) == 1


async def test_a_removal_that_a_crash_cut_short_is_finished(bench: Any) -> None:
    await bench.apply({"api": {}, "old": {}}, wait=True)
    await bench.manager.aclose()
    project = bench.store.records["project", "shop-1"].value["generation"]
    _write(bench.store, "service", f"shop-1/{project}/old", None)

    await bench.open()
    await bench.until(lambda: not bench.world.running("old"))

    await bench.until(lambda: "old" not in bench.manager._projects["shop-1"].supervisors)
    assert bench.world.running("api")


async def test_a_change_that_was_accepted_before_a_crash_is_carried_out_after_it(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)
    bench.world.script("api", Behaviour(stop_delay=30))
    await bench.apply({"api": {"env": {"V": "2"}, "stop": {"timeout": 60.0}}})
    bench.world.script("api", Behaviour())

    await bench.reopen(between=lambda: setattr(bench.world.latest("api"), "behaviour", Behaviour()))
    await bench.until(lambda: len(bench.world.history) == 2)
    await bench.reaches("api", State.RUNNING)

    assert dict(bench.world.latest("api").spec.env) == {"V": "2"}
    assert len(bench.world.running("api")) == 1


async def test_only_the_newest_run_of_a_service_may_live(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)
    newest = bench.world.latest("api").spec
    older = LaunchSpec("shop-1", "api", "0" + newest.run[1:-6] + "aaaaaa")

    await bench.reopen(between=lambda: bench.world.start(older))
    await bench.reaches("api", State.RUNNING)

    assert [run.spec.run for run in bench.world.running("api")] == [newest.run]


async def test_a_run_whose_plugin_is_gone_is_kept_for_the_day_it_is_back(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)
    executors = bench.executors
    bench.executors = executors[1:]
    await bench.reopen()
    api = await bench.reaches("api", State.DRIVER_MISSING)
    assert "'fake'" in api.reason
    await bench.manager._store.flush()
    assert ("run", bench.world.latest("api").spec.run) in bench.store.records

    bench.executors = executors
    await bench.reopen()
    await bench.reaches("api", State.RUNNING)

    assert len(bench.world.history) == 1


def _forget(store: MemoryStore, kind: str) -> None:
    for key in [key for key in store.records if key[0] == kind]:
        del store.records[key]


def _write(store: MemoryStore, kind: str, key: str, value: Any) -> None:
    from harness_core.testing import MemoryRegistry

    store.revision += 1
    MemoryRegistry(store)._write(Change(kind, key, value))


def _survey_with_specs(bench: Any) -> None:
    """The place keeps the spec of each run, as the keeper does."""
    from dataclasses import replace

    from harness_core.contracts.run import spec_to_json
    from harness_core.testing.fakes.launcher import FakeLauncher

    survey = FakeLauncher.survey

    class Keeping(FakeLauncher):
        async def survey(self) -> Any:
            return [replace(f, spec=spec_to_json(self.world.runs[f.run].spec)) for f in await survey(self)]

    offer = bench.executors[0]
    bench.executors = (replace(offer, create=lambda context: Keeping(bench.world, context)), *bench.executors[1:])
