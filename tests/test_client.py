"""The client over a transport that says what a test tells it to; the real transports are proved with the daemon."""

from __future__ import annotations

import json
import signal
from collections import deque
from typing import Any

import pytest

from harness_core import __version__
from harness_core.client import Client, NoAnswer, RemoteError, RequestTooLarge
from harness_core.protocol import (
    PROTOCOL_VERSION,
    ListProjects,
    StartServices,
    StatusOfServices,
    SubscribeEvents,
    ValidateConfig,
    error_frame,
    hello,
    result_frame,
    stream_frame,
)
from harness_core.transport import ConnectionLost, Unreachable


class Script:
    """A transport: `says` are the daemon's next frames; None is a silence."""

    def __init__(self, *says: dict[str, Any] | None, greets: bool = True) -> None:
        self.sent: list[dict[str, Any]] = []
        self.closed = False
        self._says = deque([hello(version=__version__, epoch="e", pid=1)] if greets else [])
        self._says.extend(says)

    def say(self, *frames: dict[str, Any] | None) -> None:
        self._says.extend(frames)

    def send(self, text: str) -> None:
        self.sent.append(json.loads(text))

    def ready(self, timeout: float | None) -> bool:
        if not self._says:
            return timeout is None
        if self._says[0] is None:
            self._says.popleft()
            return False
        return True

    def receive(self) -> list[str]:
        if not self._says:
            raise ConnectionLost("the daemon closed the connection")
        return [json.dumps(self._says.popleft())]

    def close(self) -> None:
        self.closed = True


def items(*numbers: int) -> list[dict[str, Any]]:
    return [{"type": "log", "number": number} for number in numbers]


def numbers(taken: list[dict[str, Any]]) -> list[int]:
    return [item["number"] for item in taken]


def test_the_daemon_speaks_first():
    client = Client(Script())

    assert client.hello == {"protocol": PROTOCOL_VERSION, "version": __version__, "epoch": "e", "pid": 1}


def test_a_daemon_that_says_nothing_is_unreachable():
    script = Script(None, greets=False)

    with pytest.raises(Unreachable, match="said nothing"):
        Client(script)
    assert script.closed


def test_a_call_gives_the_result_of_its_own_request():
    script = Script(result_frame(99, "somebody else's"), result_frame(1, {"projects": []}))

    assert Client(script).call(ListProjects()) == {"projects": []}
    assert script.sent == [{"jsonrpc": "2.0", "id": 1, "method": "services.list", "params": {}}]


def test_an_error_is_raised_with_all_that_the_daemon_said():
    script = Script(error_frame(1, kind="config.invalid", message="2 problems", hint="look", problems=[1, 2]))

    with pytest.raises(RemoteError, match="2 problems") as error:
        Client(script).call(ListProjects())

    assert (error.value.kind, error.value.hint, error.value.data) == ("config.invalid", "look", {"problems": [1, 2]})


def test_a_reply_that_does_not_come_is_an_error_and_one_that_comes_late_is_nobodys():
    script = Script(None)
    client = Client(script)
    with pytest.raises(NoAnswer, match=r"services\.list within 0\.1 s"):
        client.call(ListProjects(), timeout=0.1)

    script.say(result_frame(1, "late"), result_frame(2, "in time"))

    assert client.call(ListProjects()) == "in time"


def test_a_call_of_a_streaming_request_drops_its_items():
    script = Script(stream_frame(1, items(1, 2)), result_frame(1, {"reached": True}))

    assert Client(script).call(StartServices(project="shop")) == {"reached": True}


def test_a_stream_gives_items_then_its_end_then_its_result():
    stream = Client(Script(stream_frame(1, items(1, 2)), stream_frame(1, items(3)), result_frame(1, "done"))).stream(
        SubscribeEvents()
    )

    assert numbers(list(stream)) == [1, 2, 3]
    assert stream.ended
    assert stream.result == "done"


def test_waiting_for_an_item_has_an_end():
    script = Script(None)
    stream = Client(script).stream(SubscribeEvents())
    assert stream.get(0.1) is None
    assert not stream.ended

    script.say(stream_frame(1, items(1)))
    assert stream.get(0.1) == items(1)[0]


def test_the_error_of_a_stream_comes_after_its_items():
    stream = Client(Script(stream_frame(1, items(1)), error_frame(1, kind="x", message="failed"))).stream(SubscribeEvents())
    iterator = iter(stream)
    assert next(iterator)["number"] == 1

    with pytest.raises(RemoteError, match="failed"):
        next(iterator)


def test_several_streams_and_calls_share_a_connection():
    script = Script(
        stream_frame(1, items(1)), stream_frame(2, items(10, 20)), result_frame(3, "called"), stream_frame(1, items(2)),
        result_frame(2, "second"),
    )  # fmt: skip
    client = Client(script)
    first, second = client.stream(SubscribeEvents()), client.stream(SubscribeEvents())

    assert client.call(ListProjects()) == "called"
    assert client.wait(first, second) is first
    assert numbers(first.take()) == [1]
    assert client.wait(first, second) is second
    assert numbers(second.take()) == [10, 20]
    assert client.wait(first, second) is first
    assert numbers(first.take()) == [2]
    assert client.wait(first, second) is second
    assert (second.ended, second.result) == (True, "second")


def test_waiting_for_several_streams_has_an_end():
    client = Client(Script(None))

    assert client.wait(client.stream(SubscribeEvents()), timeout=0.1) is None


def test_cancelling_asks_the_daemon_once_there_is_something_to_cancel():
    script = Script(result_frame(1, "done"))
    client = Client(script)
    stream = client.stream(SubscribeEvents())

    stream.cancel()
    assert script.sent[-1] == {"jsonrpc": "2.0", "id": 2, "method": "request.cancel", "params": {"id": 1}}

    assert stream.result == "done"
    stream.cancel()
    assert len(script.sent) == 2


def test_a_lost_connection_is_told_by_whoever_waits():
    client = Client(Script())

    with pytest.raises(ConnectionLost):
        client.call(StatusOfServices(project="shop"), timeout=None)


def test_a_request_that_does_not_fit_is_not_sent():
    script = Script()

    with pytest.raises(RequestTooLarge, match=r"config\.validate needs 1,\d{3},\d{3} bytes"):
        Client(script).call(ValidateConfig(bundle={"text": "x" * 1_100_000}))
    assert script.sent == []


def test_a_client_leaves_the_signals_as_they_were():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        Client(Script(result_frame(1, {}))).call(ListProjects())
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    Client(Script(result_frame(1, {}))).call(ListProjects())
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_client_is_closed_at_the_end_of_its_block():
    script = Script()

    with Client(script):
        pass

    assert script.closed
