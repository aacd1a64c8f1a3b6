"""One service's life: dependencies, launches, health, restarts, stops."""

from __future__ import annotations

import asyncio
from typing import Any

from harness_core.contracts.errors import HarnessError, NotSupported
from harness_core.contracts.events import HealthState, State
from harness_core.contracts.health import Health
from harness_core.engine.states import ALLOWED
from harness_core.testing import Behaviour

ON = {"when": "always"}
OFF = {"when": "no"}


# --- dependencies -----------------------------------------------------------------------------------------------------


async def test_a_dependent_starts_once_its_dependency_runs(bench: Any) -> None:
    bench.world.script("db", Behaviour(launch_delay=0.1))

    await bench.apply({"api": {"dependencies": {"db": "started"}}, "db": {}})
    api = await bench.reaches("api", State.WAITING)
    assert api.reason == "waiting for db to be started (starting)"
    await bench.reaches("api", State.RUNNING)

    assert bench.order_of("started") == ["db", "api"]


async def test_a_dependent_waits_for_health_and_says_what_it_waits_for(bench: Any) -> None:
    bench.check.answer("db", Health(False, "not yet"))

    await bench.apply({"api": {"dependencies": {"db": "healthy"}}, "db": {"health_check": bench.health("db", retries=1000)}})
    api = await bench.reaches("api", State.WAITING)
    await bench.until(lambda: "not yet" in bench.supervisor("db").reason)
    bench.check.answer("db", Health(True, "well"))
    await bench.reaches("api", State.RUNNING)

    assert not api.reason
    assert bench.supervisor("db").health is HealthState.HEALTHY


async def test_a_dependent_waits_for_a_oneshot_to_complete(bench: Any) -> None:
    bench.world.script("migrate", Behaviour(after=0.1))

    await bench.apply({"api": {"dependencies": {"migrate": "completed"}}, "migrate": {"oneshot": True}})
    await bench.reaches("api", State.RUNNING)

    assert bench.states("migrate")[-1] == "completed"
    assert bench.states("api")[0] == "waiting"


async def test_blocked_says_by_whom_and_clears_by_itself(bench: Any) -> None:
    bench.world.script("db", Behaviour(failures=-1, failure="permanent"))
    services = {"api": {"dependencies": {"db": "started"}}, "top": {"dependencies": {"api": "started"}}, "db": {"restart": OFF}}

    await bench.apply(services)
    api = await bench.reaches("api", State.BLOCKED)
    top = await bench.reaches("top", State.BLOCKED)
    assert api.reason == "db failed: scripted failure of 'db'"
    assert top.reason == "api is blocked: db failed: scripted failure of 'db'"
    bench.world.script("db", Behaviour())
    await bench.start("db")

    await bench.reaches("top", State.RUNNING)


async def test_another_start_waits_anew_for_what_had_blocked_it(bench: Any) -> None:
    bench.world.script("db", Behaviour(failures=-1, failure="permanent"))
    services = {"top": {"dependencies": {"api": "started"}}, "api": {"dependencies": {"db": "started"}}, "db": {"restart": OFF}}
    await bench.apply(services)
    await bench.reaches("top", State.BLOCKED)
    bench.world.script("db", Behaviour(launch_delay=0.1))

    result = await bench.apply(services, wait=True)

    assert result["reached"], result
    assert {step["service"]: step["reason"] for step in result["plan"]["steps"]}["top"] == "is blocked"


async def test_a_stop_ends_waiting_at_once(bench: Any) -> None:
    bench.check.answer("db", Health(False))
    await bench.apply({"api": {"dependencies": {"db": "healthy"}}, "db": {"health_check": bench.health("db", retries=1000)}})
    await bench.reaches("api", State.WAITING)

    result = await bench.stop("api")

    assert result["reached"]
    assert bench.supervisor("api").state is State.STOPPED
    assert not bench.world.running("api")


async def test_the_health_of_an_old_run_never_counts_for_a_new_one(bench: Any) -> None:
    services = {"api": {"dependencies": {"db": "healthy"}}, "db": {"health_check": bench.health("db", retries=1000)}}
    await bench.apply(services, wait=True)
    bench.check.answer("db", Health(False, "warming up"))

    await bench.restart("db", "api")
    await bench.reaches("api", State.WAITING)
    await bench.reaches("db", State.RUNNING)

    assert bench.supervisor("db").health is HealthState.STARTING
    bench.check.answer("db", Health(True))
    await bench.reaches("api", State.RUNNING)


# --- restarts ---------------------------------------------------------------------------------------------------------


async def test_a_failure_is_followed_by_a_pause_and_a_new_run(bench: Any) -> None:
    await bench.apply({"api": {}})
    await bench.reaches("api", State.RUNNING)
    first = bench.world.latest("api").spec.run

    bench.world.end("api", code=2)
    await bench.until(lambda: bench.world.running("api"))
    api = await bench.reaches("api", State.RUNNING)

    assert bench.world.latest("api").spec.run != first
    assert api.restarts == 1
    [scheduled] = bench.events("api", "restart-scheduled")
    assert scheduled["reason"] == "exited with code 2"
    assert 0.01 <= scheduled["delay"] <= 0.05


async def test_a_crash_loop_ends_in_failed_and_a_start_forgives(bench: Any) -> None:
    bench.world.script("api", Behaviour(after=0, code=1))

    await bench.apply({"api": {"restart": {"max_restarts": 2}}})
    api = await bench.reaches("api", State.FAILED)
    assert api.reason.startswith("crash loop: 3 failures in 60 s")
    assert len([spec for spec in bench.world.history if spec.service == "api"]) == 3
    bench.world.script("api", Behaviour())
    result = await bench.start("api", wait=True)

    assert result["reached"]
    assert api.restarts == 0


async def test_a_start_during_the_pause_starts_now(bench: Any) -> None:
    bench.world.script("api", Behaviour(after=0, code=1))
    await bench.apply({"api": {"restart": {"backoff": 60.0, "max_backoff": 60.0}}})
    await bench.reaches("api", State.BACKOFF)
    bench.world.script("api", Behaviour())

    await bench.start("api")

    await bench.reaches("api", State.RUNNING)


async def test_a_stop_during_the_pause_stops(bench: Any) -> None:
    bench.world.script("api", Behaviour(after=0, code=1))
    await bench.apply({"api": {"restart": {"backoff": 60.0, "max_backoff": 60.0}}})
    await bench.reaches("api", State.BACKOFF)

    assert (await bench.stop("api"))["reached"]

    assert bench.supervisor("api").state is State.STOPPED


async def test_a_oneshot_that_completed_is_not_run_again_by_dependents_or_a_new_daemon(bench: Any) -> None:
    services = {"migrate": {"oneshot": True, "config": {"after": 0}}, "api": {"dependencies": {"migrate": "completed"}}}
    await bench.apply(services, wait=True)

    await bench.restart("api", wait=True)
    await bench.start("api", wait=True)
    await bench.reopen()
    await bench.reaches("api", State.RUNNING)

    assert bench.supervisor("migrate").state is State.COMPLETED
    assert [spec.service for spec in bench.world.history].count("migrate") == 1


async def test_a_launch_that_fails_transiently_is_tried_again(bench: Any) -> None:
    bench.world.script("api", Behaviour(failures=2))

    await bench.apply({"api": {}}, wait=True)

    assert bench.supervisor("api").state is State.RUNNING
    assert len(bench.events("api", "restart-scheduled")) == 2


async def test_a_launch_that_fails_for_good_is_not_tried_again(bench: Any) -> None:
    bench.world.script("api", Behaviour(failures=-1, failure="permanent"))

    result = await bench.apply({"api": {}}, wait=True)

    assert not result["reached"]
    assert result["services"][0]["reason"] == "scripted failure of 'api'"
    assert not bench.events("api", "restart-scheduled")


async def test_a_launch_that_takes_too_long_fails_and_leaves_nothing(bench: Any) -> None:
    bench.world.script("api", Behaviour(launch_delay=30))

    await bench.apply({"api": {"startup_timeout": 0.1}})
    api = await bench.reaches("api", State.FAILED)

    assert api.reason == "did not launch within 0.1 s"
    assert not bench.world.runs


async def test_a_start_does_not_cut_a_launch_that_is_under_way(bench: Any, monkeypatch: Any) -> None:
    from harness_core.testing.fakes.launcher import FakeLauncher

    launch, launched = FakeLauncher.launch, []

    async def recorded(self: Any, spec: Any) -> Any:
        launched.append(spec.run)
        return await launch(self, spec)

    monkeypatch.setattr(FakeLauncher, "launch", recorded)
    bench.world.script("api", Behaviour(launch_delay=0.2))
    await bench.apply({"api": {}}, start=False)
    first = asyncio.ensure_future(bench.start("api", wait=True))
    await bench.reaches("api", State.STARTING)
    from harness_core.engine.orders import Order, OrderKind

    bench.supervisor("api").order(Order(OrderKind.START, "another"))
    await first

    assert bench.states("api") == ["starting", "running"]
    assert len(launched) == 1


async def test_a_start_of_what_runs_leaves_its_health_alone(bench: Any) -> None:
    from harness_core.engine.orders import Order, OrderKind

    await bench.apply({"api": {"health_check": bench.health(), "startup_timeout": 0.3}}, wait=True)
    await asyncio.sleep(0.31)  # until the time in which it must become healthy is over

    order = bench.supervisor("api").order(Order(OrderKind.START, "test"))
    await order.done.wait()
    await asyncio.sleep(0.1)

    assert bench.supervisor("api").health is HealthState.HEALTHY
    assert bench.states("api") == ["starting", "running"]


# --- health -----------------------------------------------------------------------------------------------------------


async def test_a_service_that_never_gets_healthy_fails_at_its_startup_timeout(bench: Any) -> None:
    bench.check.answer("api", Health(False, "503"))

    await bench.apply({"api": {"health_check": bench.health(retries=1000), "startup_timeout": 0.2}})
    api = await bench.reaches("api", State.FAILED)

    assert api.reason == "not healthy within 0.2 s; last probe: 503"
    assert not bench.world.running("api")


async def test_unhealthy_is_told_and_clears(bench: Any) -> None:
    await bench.apply({"api": {"health_check": bench.health()}}, wait=True)

    bench.check.answer("api", Health(False, "overload"))
    api = await bench.reaches("api", State.UNHEALTHY)
    assert api.reason == "overload"
    bench.check.answer("api", Health(True))
    await bench.reaches("api", State.RUNNING)

    assert len(bench.world.history) == 1


async def test_an_unhealthy_service_is_restarted_where_it_asks_for_that(bench: Any) -> None:
    await bench.apply({"api": {"health_check": bench.health(restart_on_failure=True)}}, wait=True)
    first = bench.world.latest("api")

    bench.check.answer("api", Health(False, "stuck"))
    await bench.until(lambda: first.exit is not None)
    bench.check.answer("api", Health(True))
    await bench.until(lambda: bench.world.running("api"))

    assert bench.events("api", "restart-scheduled")[0]["reason"] == "unhealthy: stuck"
    assert first.signals == ["TERM"]


async def test_a_stop_while_a_sick_run_is_being_ended_is_the_last_word(bench: Any) -> None:
    bench.world.script("api", Behaviour(stop_delay=0.2))
    await bench.apply({"api": {"health_check": bench.health(restart_on_failure=True)}}, wait=True)
    bench.check.answer("api", Health(False, "stuck"))
    await bench.reaches("api", State.STOPPING)

    result = await bench.stop("api")

    assert result["reached"]
    assert bench.supervisor("api").state is State.STOPPED
    assert len(bench.world.history) == 1


async def test_a_probe_that_latches_is_the_last(bench: Any) -> None:
    bench.check.answer("api", Health(True, "seen", latch=True))
    await bench.apply({"api": {"health_check": bench.health()}}, wait=True)

    probed = len(bench.check.probes)
    await asyncio.sleep(0.1)  # five intervals

    assert len(bench.check.probes) == probed == 1


async def test_a_check_that_raises_ends_no_service(bench: Any) -> None:
    bench.check.answer("api", RuntimeError("a bug"))

    await bench.apply({"api": {"health_check": bench.health(retries=2)}})
    api = await bench.reaches("api", State.UNHEALTHY)

    assert api.reason == "a bug"
    assert len(bench.world.running("api")) == 1


# --- stops ------------------------------------------------------------------------------------------------------------


async def test_a_stop_asks_waits_and_kills(bench: Any) -> None:
    bench.world.script("api", Behaviour(refuses_stop=True))
    await bench.apply({"api": {"stop": {"signal": "INT", "timeout": 0.1}}}, wait=True)
    run = bench.world.latest("api")

    await bench.stop("api")

    assert run.signals == ["INT"]
    assert run.exit.signal == "KILL"
    assert bench.events("api", "killed")[0]["reason"] == "did not end within 0.1 s"
    assert bench.events("api", "exited")[0]["intended"]


async def test_kill_cuts_the_patience_of_a_stop(bench: Any) -> None:
    bench.world.script("api", Behaviour(refuses_stop=True))
    await bench.apply({"api": {"stop": {"timeout": 60.0}}}, wait=True)
    patient = asyncio.ensure_future(bench.stop("api"))
    await bench.reaches("api", State.STOPPING)

    async with asyncio.timeout(5):
        await bench.stop("api", kill=True)
        await patient

    assert bench.events("api", "killed")[0]["reason"] == "asked to kill"


async def test_survivors_are_named_and_no_second_copy_is_started(bench: Any) -> None:
    bench.world.script("api", Behaviour(refuses_stop=True, survives_kill=True))
    await bench.apply({"api": {"stop": {"timeout": 0.05}}}, wait=True)

    result = await bench.stop("api")
    assert not result["reached"]
    assert bench.supervisor("api").state is State.STOP_STUCK
    async with asyncio.timeout(5):
        again = await bench.start("api", wait=True)
    assert not again["reached"]
    assert len(bench.world.history) == 1

    bench.world.end("api", code=0)
    await bench.until(lambda: len(bench.world.history) == 2)
    await bench.reaches("api", State.RUNNING)


async def test_a_stop_while_launching_leaves_nothing(bench: Any) -> None:
    bench.world.script("api", Behaviour(launch_delay=5))
    await bench.apply({"api": {}})
    await bench.reaches("api", State.STARTING)

    async with asyncio.timeout(3):
        result = await bench.stop("api")

    assert result["reached"]
    assert not bench.world.runs


async def test_a_stop_right_after_a_start_is_the_last_word(bench: Any) -> None:
    await bench.apply({"api": {}}, start=False)

    await asyncio.gather(bench.start("api"), bench.stop("api"))
    await asyncio.sleep(0.1)

    assert bench.supervisor("api").state is State.STOPPED
    assert not bench.world.running("api")


async def test_a_plugin_that_can_not_ask_is_followed_by_kill(bench: Any, monkeypatch: Any) -> None:
    from harness_core.testing.fakes.handle import FakeHandle

    async def refuse(*_: Any) -> None:
        raise NotSupported("no signals here")

    monkeypatch.setattr(FakeHandle, "request_stop", refuse)
    await bench.apply({"api": {"stop": {"timeout": 0.05}}}, wait=True)

    result = await bench.stop("api")

    assert result["reached"]
    assert "no signals here" in bench.events("api", "note")[0]["detail"]
    assert bench.world.latest("api").exit.signal == "KILL"


# --- links ------------------------------------------------------------------------------------------------------------


async def test_a_lost_link_is_unreachable_and_starts_nothing(bench: Any) -> None:
    await bench.apply({"api": {"health_check": bench.health(restart_on_failure=True)}}, wait=True)

    bench.world.cut_link()
    api = await bench.reaches("api", State.UNREACHABLE)
    bench.check.answer("api", Health(False, "no route"))
    await asyncio.sleep(0.1)
    assert api.state is State.UNREACHABLE
    bench.check.answer("api", Health(True))
    bench.world.mend_link()
    await bench.reaches("api", State.RUNNING)

    assert len(bench.world.history) == 1


async def test_a_stop_while_unreachable_is_delivered_later(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)
    bench.world.cut_link()
    await bench.reaches("api", State.UNREACHABLE)

    result = await bench.stop("api")
    assert not result["reached"]
    assert len(bench.world.running("api")) == 1
    bench.world.mend_link()
    await bench.reaches("api", State.STOPPED)

    assert not bench.world.running("api")
    assert bench.states("api")[2:] == ["unreachable", "stopping", "unreachable", "stopping", "stopped"]


async def test_a_service_that_ended_behind_a_lost_link_is_followed_once(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)
    bench.world.cut_link()
    await bench.reaches("api", State.UNREACHABLE)

    bench.world.end("api", code=1)
    await asyncio.sleep(0.05)
    assert bench.supervisor("api").state is State.UNREACHABLE
    bench.world.mend_link()
    await bench.until(lambda: len(bench.world.history) == 2)

    assert len(bench.events("api", "exited")) == 1


async def test_no_second_copy_while_a_cut_launch_can_not_be_asked_after(bench: Any) -> None:
    bench.world.script("api", Behaviour(launch_delay=0.2))
    await bench.apply({"api": {"startup_timeout": 0.1}})
    await bench.reaches("api", State.STARTING)
    bench.world.linked = False

    await bench.reaches("api", State.UNREACHABLE)
    await asyncio.sleep(0.2)
    assert bench.supervisor("api").state is State.UNREACHABLE
    bench.world.linked = True

    await bench.reaches("api", State.FAILED)
    assert not bench.world.running("api")


async def test_news_of_an_old_run_is_dropped(bench: Any) -> None:
    await bench.apply({"api": {}}, wait=True)
    old = bench.world.latest("api").spec.run
    await bench.restart("api", wait=True)

    from harness_core.contracts.offer import Change, ChangeKind

    for report in bench.world.listeners:
        report(old, Change(ChangeKind.UNREACHABLE, "late news"))
        report(bench.world.latest("api").spec.run, Change("thought", "an unknown kind"))
    await bench.until(lambda: bench.events("api", "note"))

    assert bench.supervisor("api").state is State.RUNNING
    assert [event["detail"] for event in bench.events("api", "note")] == ["an unknown kind"]


# --- attachers --------------------------------------------------------------------------------------------------------


async def test_an_attacher_waits_for_what_it_watches_and_finds_it_again(bench: Any) -> None:
    watcher = {"type": "fake-attach", "config": {"target": "outside"}}
    from harness_core.contracts.run import LaunchSpec

    await bench.apply({"watch": watcher})
    await bench.until(lambda: bench.supervisor("watch").reason == "no fake service 'outside' runs")
    bench.world.start(LaunchSpec("x", "outside", "one"))
    await bench.reaches("watch", State.RUNNING)
    bench.world.end("outside", code=0)
    await bench.reaches("watch", State.STARTING)
    bench.world.start(LaunchSpec("x", "outside", "two"))
    await bench.reaches("watch", State.RUNNING)
    await bench.stop("watch")

    assert len(bench.world.running("outside")) == 1
    assert len(bench.events("watch", "started")) == 2


async def test_an_attacher_that_finds_several_fails_and_names_them(bench: Any) -> None:
    from harness_core.contracts.run import LaunchSpec

    for run in ("one", "two"):
        bench.world.start(LaunchSpec("x", "outside", run))

    await bench.apply({"watch": {"type": "fake-attach", "config": {"target": "outside"}}})
    watch = await bench.reaches("watch", State.FAILED)

    assert watch.reason == "'outside' runs 2 times: fake 1, fake 2"


async def test_what_is_never_there_fails_at_the_startup_timeout_saying_what_is_missing(bench: Any) -> None:
    await bench.apply({"watch": {"type": "fake-attach", "config": {"target": "outside"}, "startup_timeout": 0.1}})
    watch = await bench.reaches("watch", State.FAILED)

    assert watch.reason == "did not launch within 0.1 s: no fake service 'outside' runs"


# --- plugins ----------------------------------------------------------------------------------------------------------


async def test_a_missing_plugin_is_named_whatever_kind_it_is(bench: Any) -> None:
    await bench.apply(
        {
            "a": {"type": "podman"},
            "b": {"layers": [{"type": "teleport", "config": {}}]},
            "c": {"health_check": {**bench.health(), "check": "redis"}},
            "d": {"dependencies": {"a": "started"}},
        }
    )
    for name, missing in {"a": "podman", "b": "teleport", "c": "redis"}.items():
        assert missing in (await bench.reaches(name, State.DRIVER_MISSING)).reason

    assert "podman" in (await bench.reaches("d", State.BLOCKED)).reason


async def test_a_failed_service_whose_new_type_is_missing_says_so(bench: Any) -> None:
    bench.world.script("api", Behaviour(after=0, code=1))
    await bench.apply({"api": {"restart": OFF}})
    await bench.reaches("api", State.FAILED)

    await bench.apply({"api": {"restart": OFF, "type": "podman"}})

    await bench.reaches("api", State.DRIVER_MISSING)


async def test_a_layer_that_passes_no_signals_is_refused_before_anything_starts(bench: Any) -> None:
    from harness_core.contracts.offer import Capability
    from harness_core.testing import FAKE_CAPABILITIES, fake_layer_offer, fake_offer

    bench.executors = (fake_offer(bench.world, capabilities=FAKE_CAPABILITIES | {Capability.COMMAND}),)
    bench.layers = (fake_layer_offer(name="deaf", passes=frozenset({"stdin"})),)
    await bench.reopen()
    command = {"argv": ["true"], "working_dir": "/", "shell": False, "stdin": True, "tty": False}
    block = {"command": command, "layers": [{"type": "deaf", "config": {}}]}

    try:
        await bench.apply({"api": block})
        raised = None
    except HarnessError as error:
        raised = error

    assert raised is not None
    assert "layer 'deaf' does not pass signals on" in raised.message
    assert not bench.world.history


async def test_an_executor_that_crashes_fails_only_its_service(bench: Any, monkeypatch: Any) -> None:
    from harness_core.testing.fakes.launcher import FakeLauncher

    launch = FakeLauncher.launch

    async def crash(self: Any, spec: Any) -> Any:
        if spec.service == "bad":
            raise ZeroDivisionError("a bug")
        return await launch(self, spec)

    monkeypatch.setattr(FakeLauncher, "launch", crash)
    await bench.apply({"bad": {"restart": OFF}, "good": {}})

    assert "a bug" in (await bench.reaches("bad", State.FAILED)).reason
    await bench.reaches("good", State.RUNNING)


async def test_every_event_of_a_busy_day_moves_by_the_table_and_is_numbered_without_gaps(bench: Any) -> None:
    bench.world.script("flaky", Behaviour(after=0.01, code=1))
    await bench.apply({"flaky": {"restart": {"max_restarts": 3}}, "api": {"dependencies": {"flaky": "started"}}})
    await bench.reaches("flaky", State.FAILED)
    await bench.restart("api")
    await bench.stop()

    events = bench.events()

    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    for event in events:
        if event["kind"] == "state":
            assert State(event["new"]) in ALLOWED[State(event["old"])]
