from __future__ import annotations

import json
from collections import Counter

import pytest

from harness_core import protocol
from harness_core.client import RemoteError
from harness_core.contracts.events import Note
from harness_core.daemon.handlers import HANDLERS
from harness_core.protocol import (
    MAX_IN_FLIGHT,
    MAX_STREAMS,
    METHODS,
    CancelRequest,
    DaemonLogs,
    DaemonStatus,
    ListEvents,
    ListProjects,
    ReadLogs,
    Role,
    StartServices,
    StatusOfServices,
    StopDaemon,
    SubscribeEvents,
    WhyService,
)

HANG = SubscribeEvents(project="shop")


def audit(loopback):
    return [json.loads(line) for line in (loopback.state_dir / "audit.jsonl").read_text().splitlines()]


def test_every_method_has_a_handler_and_no_handler_is_without_a_method():
    assert {*HANDLERS, CancelRequest} == set(METHODS.values())


def test_handlers_are_named_after_their_requests():
    def words(name):
        return "".join(word.title() for word in name.removeprefix("handle_").split("_"))

    assert {words(handler.__name__) for handler in HANDLERS.values()} == {request.__name__ for request in HANDLERS}


def test_a_streaming_request_gives_its_events_then_its_result(loopback):
    stream = loopback.client().stream(StartServices(project="shop"))

    assert [item["event"]["detail"] for item in stream] == ["started by loopback", "done"]
    assert stream.result["reached"] is True


def test_an_error_has_kind_message_and_hint(loopback):
    with pytest.raises(RemoteError, match="no project 'nowhere'") as error:
        loopback.client().call(StatusOfServices(project="nowhere"))

    assert (error.value.kind, error.value.hint) == ("project.unknown", "known: shop")


def test_the_error_of_a_streaming_request_comes_through_as_itself(loopback):
    with pytest.raises(RemoteError) as error:
        list(loopback.client().stream(StartServices(project="nowhere")))

    assert error.value.kind == "project.unknown"


def test_a_bug_in_the_daemon_reaches_the_client_as_a_request_id_that_the_log_knows(loopback):
    with pytest.raises(RemoteError) as error:
        loopback.client().call(WhyService(project="shop", service="api"))

    assert error.value.kind == "internal"
    assert "Traceback" not in str(error.value) + str(error.value.data)
    assert "ZeroDivision" not in str(error.value)
    logged = [json.loads(line) for line in (loopback.state_dir / "daemon.log").read_text().splitlines()]
    (line,) = [line for line in logged if "ZeroDivisionError" in line.get("error", "")]
    assert f"request {line['request']}" in error.value.hint
    assert "hunter22" not in json.dumps(line)


def test_streams_of_one_connection_do_not_mix(loopback):
    client = loopback.client()
    events = client.stream(SubscribeEvents(project="shop"))
    assert events.get(5)["type"] == "reset"

    logs = client.stream(ReadLogs(project="shop"))
    started = client.stream(StartServices(project="shop"))

    assert [item["text"] for item in logs] == ["line 0", "line 1", "line 2"]
    assert logs.result == {"cursors": {"api": "c2"}}
    assert len(list(started)) == 2
    assert [events.get(5)["event"]["detail"] for _ in range(2)] == ["started by loopback", "done"]


def test_a_subscription_begins_with_the_present_state_unless_it_resumes(loopback):
    client = loopback.client()
    first = client.stream(SubscribeEvents(project="shop")).get(5)
    assert (first["type"], first["services"][0]["name"]) == ("reset", "api")

    client.call(StartServices(project="shop"))
    resumed = client.stream(SubscribeEvents(project="shop", epoch=first["epoch"], after=first["seq"] + 1))
    assert resumed.get(5)["event"]["detail"] == "done"

    assert client.stream(SubscribeEvents(project="shop", epoch="another", after=1)).get(5)["type"] == "reset"


def test_past_events_are_listed(loopback):
    client = loopback.client()
    client.call(StartServices(project="shop"))

    listed = client.call(ListEvents(project="shop", limit=1))

    assert [event["detail"] for event in listed["events"]] == ["done"]
    assert listed["seq"] == listed["events"][0]["seq"]


def test_a_cancelled_request_says_so_and_the_connection_goes_on(loopback):
    client = loopback.client()
    stream = client.stream(HANG)
    stream.get(5)

    stream.cancel()

    with pytest.raises(RemoteError) as error:
        list(stream)
    assert error.value.kind == "request.cancelled"
    assert client.call(ListProjects())["projects"][0]["id"] == "shop"


def test_what_nobody_does_cannot_be_cancelled(loopback):
    assert loopback.client().call(CancelRequest(id=99)) == {"cancelled": False}


def test_a_client_that_goes_ends_the_waiting_for_it(loopback, eventually):
    async def hold():
        import asyncio

        loopback.manager.hold = asyncio.Event()

    loopback.run(hold())
    client = loopback.client()
    client.stream(StartServices(project="shop")).get(5)

    client.close()

    eventually(lambda: loopback.manager.cancelled == 1)


def test_streams_are_bounded_and_the_rest_goes_on(loopback):
    client = loopback.client()
    streams = [client.stream(HANG) for _ in range(MAX_STREAMS)]
    for stream in streams:
        assert stream.get(5) is not None

    with pytest.raises(RemoteError) as error:
        list(client.stream(HANG))

    assert error.value.kind == "request.too-many-streams"
    assert client.call(ListProjects())


def test_requests_under_way_are_bounded(loopback):
    async def hold():
        import asyncio

        loopback.manager.status_hold = asyncio.Event()

    loopback.run(hold())
    client = loopback.client()
    for id in range(1000, 1000 + MAX_IN_FLIGHT):
        client._send(id, StatusOfServices(project="shop"))

    with pytest.raises(RemoteError) as error:
        client.call(StatusOfServices(project="shop"))
    assert error.value.kind == "request.too-many"

    assert client.call(CancelRequest(id=1000)) == {"cancelled": True}


def test_an_id_cannot_be_used_twice_at_once(loopback):
    client = loopback.client()
    stream = client.stream(HANG)
    stream.get(5)

    client._send(stream._id, ListProjects())

    with pytest.raises(RemoteError) as error:
        list(stream)
    assert error.value.kind == "request.duplicate-id"


def test_what_changes_something_is_audited_and_what_reads_is_not(loopback, eventually):
    client = loopback.client()
    client.call(StatusOfServices(project="shop"))
    client.call(StartServices(project="shop", services=("api",)))

    (entry,) = eventually(lambda: audit(loopback))
    assert entry["what"] == "services.start"
    assert entry["who"] == "loopback (0000000000000000)"
    assert entry["details"]["services"] == ["api"]
    assert entry["result"] == "ok"


def test_refused_requests_are_audited(loopback, eventually):
    with pytest.raises(RemoteError) as error:
        loopback.client(Role.READ).call(StartServices(project="shop"))

    assert error.value.kind == "auth.role"
    (entry,) = eventually(lambda: audit(loopback))
    assert entry["result"].startswith("refused: auth.role: services.start takes the role 'operate'")


def test_a_reader_may_look_and_an_operator_may_not_end_the_daemon(loopback):
    assert loopback.client(Role.READ).call(DaemonStatus())["clients"] >= 1

    with pytest.raises(RemoteError) as error:
        loopback.client(Role.OPERATE).call(StopDaemon())
    assert error.value.kind == "auth.role"


def test_a_slow_reader_of_logs_makes_the_reading_wait(loopback, eventually):
    loopback.manager.logs.lines = 400_000
    slow, quick = loopback.client(), loopback.client()

    stream = slow.stream(ReadLogs(project="shop"))
    read = eventually(lambda: loopback.manager.logs.read_lines if loopback.manager.logs.read_lines > 1000 else 0)
    for _ in range(50):
        quick.call(ListProjects())

    assert loopback.manager.logs.read_lines < 20_000, f"read on and on, from {read}"
    stream.cancel()
    quick.call(ListProjects())


def test_a_slow_reader_of_events_is_told_what_it_lost_and_memory_is_bounded(loopback, eventually):
    client = loopback.client()
    stream = client.stream(HANG)
    assert stream.get(5)["type"] == "reset"

    async def flood():
        import asyncio

        for number in range(30_000):
            loopback.manager.bus.publish(Note, project="shop", service="api", detail=str(number))
            if number % 500 == 0:
                await asyncio.sleep(0)

    loopback.run(flood())

    kinds = Counter()
    seqs = []
    while not seqs or seqs[-1] < 30_000:
        item = stream.get(10)
        kinds[item["type"]] += 1
        seqs += [item["event"]["seq"]] if item["type"] == "event" else list(range(item["from"], item["to"] + 1))
    assert kinds["lagged"] >= 1
    assert kinds["event"] < 20_000
    assert seqs == list(range(1, 30_001)), "what was lost and what came add up"


def test_the_daemons_own_log_is_read_and_followed(loopback):
    client = loopback.client()
    loopback.run(_log("first"))
    lines = [json.loads(item["text"])["message"] for item in client.stream(DaemonLogs(tail=1))]
    assert lines == ["first"]

    following = client.stream(DaemonLogs(tail=1, follow=True))
    assert json.loads(following.get(5)["text"])["message"] == "first"
    loopback.run(_log("second"))
    assert json.loads(following.get(5)["text"])["message"] == "second"


async def _log(text):
    import logging

    logging.getLogger("harness.test").warning("%s", text)


def test_ending_the_daemon_is_answered_first_and_services_are_stopped_where_asked_for(loopback):
    client = loopback.client()

    stream = client.stream(StopDaemon(services=True))

    assert list(stream) == []
    assert stream.result == {"running": 1}, "what runs on; the stand-in stops nothing"
    assert loopback.manager.stopped == ["shop"]


def test_a_reply_that_is_too_large_is_an_error_that_says_so(loopback):
    loopback.manager.service_fields = {"reason": "x" * protocol.MAX_REPLY}

    with pytest.raises(RemoteError) as error:
        loopback.client().call(StatusOfServices(project="shop"))

    assert error.value.kind == "reply.too-large"
