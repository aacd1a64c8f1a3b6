"""Commands inside, attachments, input, terminals and signals over the API: real daemon, keeper and processes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
from pathlib import Path

import pytest

from harness_core.client import RemoteError, connect
from harness_core.protocol import (
    MAX_EXECS,
    MAX_WRITE,
    METHODS,
    AttachService,
    CloseExec,
    ListEvents,
    OpenExec,
    ResizeExec,
    ResizeService,
    Role,
    SignalExec,
    SignalService,
    StatusOfServices,
    WriteExec,
    WriteStdin,
)

PROJECT = """\
version: "1.0"
name: hands
services:
  calm:
    type: process
    command: [sleep, "1000"]
    env: { GREETING: hello, API_TOKEN: hunter22hunter22 }
  layered:
    type: process
    command: [sleep, "1000"]
    layers: [{ type: env, set: { INSIDE: "the layer" } }]
  idle:
    type: process
    command: [sleep, "1000"]
  echo:
    type: process
    stdin: true
    command: [sh, -c, 'printf "1\\n2\\n3\\nprompt> "; while read line; do printf "<%s>" "$line"; done; exit 5']
  screen:
    type: process
    tty: true
    command: [sh, -c, "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done"]
  jumpy:
    type: process
    command: [sh, -c, "trap 'echo hup' HUP; echo ready; while :; do sleep 0.05; done"]
    restart: { policy: always, backoff: 50ms }
"""
PATIENCE = 30.0


@pytest.fixture(scope="module")
def up(shared_harness):
    """The project is up, but for `idle`."""
    (shared_harness.project / "below").mkdir()
    shared_harness.write(PROJECT)
    shared_harness.ok("up", "-d", "calm", "layered", "echo", "screen", "jumpy")
    return shared_harness


@pytest.fixture
def hands(up):
    """`client()` connects, `open` runs a command inside, `attach` looks at a service; all are gone at the end."""
    harness = up
    with contextlib.ExitStack() as stack:

        class Hands:
            def client(self):
                return stack.enter_context(connect(harness.state_dir, start=False))

            def open(self, *command, service="calm", client=None, **options):
                client = client or self.client()
                stream = client.stream(OpenExec(project=self.id, service=service, command=command, **options))
                stream.client, stream.number = client, stream._id
                return stream

            def attach(self, service, **options):
                client = self.client()
                stream = client.stream(AttachService(project=self.id, service=service, **options))
                assert stream.get(PATIENCE)["type"] == "attached"
                stream.client = client
                return stream

            @property
            def audit(self):
                return [json.loads(line) for line in (harness.state_dir / "audit.jsonl").read_text().splitlines()]

            def processes(self, mark):
                return [command for command in harness.processes().values() if mark in command]

        made = Hands()
        made.id = harness.ok("status", "--json").json["project"]
        made.harness = harness
        yield made


def bytes_of(item):
    return base64.b64decode(item["base64"]) if "base64" in item else item["text"].encode()


def all_of(stream):
    """Its output by stream, and its exit."""
    got = {"out": b"", "err": b"", "mixed": b""}
    for item in stream:
        if item["type"] == "output":
            got[item["stream"]] += bytes_of(item)
    return got, stream.result["exit"]


def until(stream, text):
    """What comes up to and with `text`."""
    seen = b""
    while text not in seen:
        item = stream.get(PATIENCE)
        assert item is not None, f"no {text!r} within {PATIENCE} s, but {seen!r}"
        seen += bytes_of(item) if item["type"] == "output" else b""
    return seen


def b64(data):
    return base64.b64encode(data).decode()


def test_a_command_inside_has_the_services_environment_and_folder_and_its_own_exit(hands):
    script = 'echo "$GREETING $MINE $HARNESS_SERVICE"; pwd; echo oh >&2; printf "caf\\303\\251\\377\\303"; exit 7'

    got, exit = all_of(hands.open("sh", "-c", script, env={"MINE": "ours"}, cwd="below"))

    assert got["out"].splitlines() == [b"hello ours calm", str(hands.harness.project / "below").encode(), b"caf\xc3\xa9\xff\xc3"]
    assert got["err"] == b"oh\n"
    assert (exit["code"], exit["signal"]) == (7, None)


def test_it_goes_through_the_layers(hands):
    got, _ = all_of(hands.open("sh", "-c", 'echo "$INSIDE"', service="layered"))

    assert got["out"] == b"the layer\n"


def test_what_it_is_fed_arrives_in_order_and_ends(hands):
    data = os.urandom(3 * MAX_WRITE + 17)
    stream = hands.open("sha256sum", stdin=True)
    # At once, before anybody knows whether it has begun.
    pieces = [data[start : start + MAX_WRITE] for start in range(0, len(data), MAX_WRITE)]
    for piece in pieces:
        stream.client.call(WriteExec(session=stream.number, data=b64(piece)))
    stream.client.call(WriteExec(session=stream.number, data=None))

    got, exit = all_of(stream)

    assert got["out"].split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert exit["code"] == 0


def test_a_terminal_inside_has_a_size_is_resized_and_interrupts(hands):
    script = "stty size; trap 'stty size' WINCH; trap 'exit 6' INT; echo ready; while :; do sleep 0.05; done"
    stream = hands.open("sh", "-c", script, tty=True, stdin=True, rows=33, columns=44)

    assert until(stream, b"ready").split() == [b"33", b"44", b"ready"]
    stream.client.call(ResizeExec(session=stream.number, rows=55, columns=66))
    until(stream, b"55 66")
    stream.client.call(WriteExec(session=stream.number, data=b64(b"\x03")))

    assert all_of(stream)[1]["code"] == 6


def test_it_is_signalled_as_by_ctrl_c(hands):
    stream = hands.open("sh", "-c", "trap 'exit 4' INT; echo ready; while :; do sleep 0.05; done")
    until(stream, b"ready")

    stream.client.call(SignalExec(session=stream.number, signal="sigint"))

    assert all_of(stream)[1]["code"] == 4


@pytest.mark.parametrize("how", ["closed", "cancelled", "connection gone"])
def test_nothing_of_it_is_left(hands, how, eventually):
    mark = f"mark-{os.urandom(4).hex()}"
    script = f"sh -c 'while :; do sleep 0.2; done' {mark} & trap '' TERM HUP INT; echo ready; while :; do sleep 0.2; done"
    stream = hands.open("sh", "-c", script, mark)
    until(stream, b"ready")
    assert len(hands.processes(mark)) >= 2

    if how == "closed":
        stream.client.call(CloseExec(session=stream.number))
        assert hands.processes(mark) == []
        assert all_of(stream)[1]["signal"] == "KILL"
        with pytest.raises(RemoteError) as error:
            stream.client.call(WriteExec(session=stream.number, data=None))
        assert error.value.kind == "exec.unknown"
    elif how == "cancelled":
        stream.cancel()
        with pytest.raises(RemoteError) as error:
            all_of(stream)
        assert error.value.kind == "request.cancelled"
        assert hands.processes(mark) == []
    else:
        stream.client.close()
        eventually(lambda: not hands.processes(mark), within=PATIENCE)
    assert hands.harness.service("calm")["state"] == "running"


def test_a_client_that_does_not_read_makes_its_command_wait_and_nobody_else(hands, eventually):
    stuck = hands.open("sh", "-c", 'yes "$0"', "stuck-yes")
    stuck.get(PATIENCE)
    daemon = Path(f"/proc/{hands.harness.daemon_pid}/statm")
    before = int(daemon.read_text().split()[1])

    # Meanwhile another moves far more than everything that could be kept for it.
    got, exit = all_of(hands.open("sh", "-c", "yes | head -c 6000000"))

    assert (len(got["out"]), exit["code"]) == (6_000_000, 0)
    assert (int(daemon.read_text().split()[1]) - before) * os.sysconf("SC_PAGE_SIZE") < 20_000_000
    assert hands.client().call(StatusOfServices(project=hands.id))["services"]
    stuck.client.close()
    eventually(lambda: not hands.processes("stuck-yes"), within=PATIENCE)


def test_what_can_not_be_is_refused_by_name(hands):
    client = hands.client()

    def refused(request):
        with pytest.raises(RemoteError) as error:
            client.call(request)
        return error.value

    def opening(*command, service="calm", **options):
        return refused(OpenExec(project=hands.id, service=service, command=command, **options))

    error = opening("true", service="idle")
    assert (error.kind, error.hint) == ("service.not-running", "harness start idle")
    assert opening("no-such-program").kind == "launch.command-not-found"
    assert opening().kind == "request.invalid"
    assert opening("true", tty=True, rows=0).kind == "request.invalid"
    assert opening("true", service="clam").hint == "did you mean 'calm'?"
    assert "directory" in str(opening("true", cwd="nowhere"))
    large = refused(WriteStdin(project=hands.id, service="echo", data=b64(b"x" * (MAX_WRITE + 1))))
    assert "65,536" in large.hint
    assert refused(WriteStdin(project=hands.id, service="echo", data="?")).kind == "request.invalid"
    assert refused(WriteStdin(project=hands.id, service="calm", data=None)).kind == "capability.missing"
    assert refused(ResizeService(project=hands.id, service="echo", rows=2, columns=2)).hint == "write `tty: true` in its block"
    assert refused(ResizeExec(session=99, rows=2, columns=2)).kind == "exec.unknown"
    assert refused(AttachService(project=hands.id, service="idle")).kind == "service.not-running"


def test_commands_of_one_connection_are_counted(hands):
    client = hands.client()
    open_ones = [hands.open("sleep", "1000", client=client) for _ in range(MAX_EXECS)]
    for stream in open_ones:
        assert stream.get(PATIENCE)["type"] == "opened"

    with pytest.raises(RemoteError) as error:
        all_of(hands.open("true", client=client))
    assert error.value.kind == "exec.too-many"

    client.call(CloseExec(session=open_ones[0].number))
    assert all_of(open_ones[0])[1]["signal"] == "KILL"
    assert all_of(hands.open("true", client=client))[1]["code"] == 0


def test_an_attachment_shows_bytes_as_they_come_and_the_end(hands):
    stream = hands.attach("echo", tail=2)

    assert until(stream, b"> ") == b"3\nprompt> "
    stream.client.call(WriteStdin(project=hands.id, service="echo", data=b64("é\n".encode())))
    assert until(stream, b">") == "<é>".encode()
    stream.client.call(WriteStdin(project=hands.id, service="echo", data=None))

    assert all_of(stream)[1]["code"] == 5


def test_a_services_terminal_is_resized(hands):
    stream = hands.attach("screen", tail=10)
    until(stream, b"ready")

    stream.client.call(ResizeService(project=hands.id, service="screen", rows=21, columns=43))

    until(stream, b"21 43")


def test_a_signal_is_sent_as_people_write_it_and_told(hands, eventually):
    client = hands.client()
    stream = hands.attach("jumpy", tail=10)
    until(stream, b"ready")

    for written in ("hup", "SIGHUP", "1"):
        client.call(SignalService(project=hands.id, service="jumpy", signal=written))
        until(stream, b"hup")
    with pytest.raises(RemoteError) as error:
        client.call(SignalService(project=hands.id, service="jumpy", signal="TREM"))

    assert (error.value.kind, error.value.hint) == ("signal.unknown", "did you mean TERM?")
    notes = client.call(ListEvents(project=hands.id, services=("jumpy",), kinds=("note",)))["events"]
    assert any(note["detail"].startswith("signal HUP sent by ") for note in notes)


def test_a_service_that_a_signal_ends_is_restarted_as_its_policy_says(hands, eventually):
    stream = hands.attach("jumpy", tail=10)
    until(stream, b"ready")

    hands.client().call(SignalService(project=hands.id, service="jumpy", signal="TERM"))

    assert all_of(stream)[1]["signal"] == "TERM"
    eventually(lambda: hands.harness.service("jumpy")["restarts"] > 0, within=PATIENCE)
    hands.harness.reaches("jumpy", "running", within=PATIENCE)


def test_the_audit_tells_who_ran_what_and_no_keystroke(hands):
    stream = hands.open("cat", stdin=True, env={"TOKEN": "hunter22hunter22"})
    for _ in range(3):
        stream.client.call(WriteExec(session=stream.number, data=b64(b"a secret\n")))
    stream.client.call(WriteExec(session=stream.number, data=None))
    all_of(stream)

    told = [line for line in hands.audit if line["what"].startswith("exec.")][-3:]

    assert [line["what"] for line in told] == ["exec.open", "exec.write", "exec.open"]
    assert [line["result"] for line in told] == ["begun", "ok", "ok"]
    assert told[0]["details"]["command"] == ["cat"]
    assert told[0]["details"]["env"] == ["TOKEN"]
    text = json.dumps(told)
    assert "hunter22" not in text
    assert b64(b"a secret\n") not in text
    assert told[1]["details"]["bytes"] == 9


@pytest.mark.parametrize("method", ["exec.open", "exec.write", "services.attach", "services.stdin", "services.signal"])
def test_who_may_only_look_may_touch_nothing(loopback, method):
    values = {"project": "shop", "service": "api", "signal": "TERM", "session": 1, "data": None, "command": ("true",)}
    kind = METHODS[method]

    with pytest.raises(RemoteError) as error:
        loopback.client(Role.READ).call(kind(**{name: values[name] for name in kind.required}))

    assert error.value.kind == "auth.role"
