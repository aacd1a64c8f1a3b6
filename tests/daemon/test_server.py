"""The door over real sockets: whoever should not come in stays out, and nobody can hold it open."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import ssl
import subprocess
import sys
import time

import pytest

from harness_core import paths, transport, trust
from harness_core.client import RemoteError, connect
from harness_core.contracts.events import Note
from harness_core.daemon import server as server_module
from harness_core.daemon.connection import Patience
from harness_core.protocol import MAX_FRAME, DaemonStatus, ListProjects, ReadLogs, StatusOfServices, SubscribeEvents
from harness_core.transport import ConnectionLost, Impostor, Unreachable, Untrusted, open_websocket

IMPATIENT = Patience(greeting=0.5, ping=0.2, silence=0.6, goodbye=0.3)


def upgrade(**headers: str) -> bytes:
    lines = {
        "Host": "", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    } | {name.replace("_", "-"): value for name, value in headers.items()}  # fmt: skip
    return ("GET / HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v) + "\r\n").encode()


def answer(sock: ssl.SSLSocket, request: bytes) -> tuple[int, str]:
    """The status and body of the server's answer; 101 is left open."""
    sock.sendall(request)
    text = sock.recv(65536).decode()
    while "\r\n\r\n" not in text:
        if not (more := sock.recv(65536).decode()):
            raise ConnectionError("hung up without an answer")
        text += more
    status = int(text.split()[1])
    while status != 101 and (more := sock.recv(65536).decode()):
        text += more
    return status, text.partition("\r\n\r\n")[2]


def close_of(ours: transport.WebSocketTransport) -> str:
    """How the server closes a connection."""
    while ours.ready(5):
        try:
            ours.receive()
        except ConnectionLost as lost:
            return lost.message
    return pytest.fail("the server does not close")


def still_answers(door) -> bool:
    with door.client() as client:
        return client.call(ListProjects())["projects"][0]["id"] == "shop"


def test_a_client_of_ours_is_let_in_and_known_by_name(door, eventually):
    client = door.client()

    assert client.hello["protocol"] == 1
    assert client.call(DaemonStatus())["clients"] == 1
    client.call(StatusOfServices(project="shop"))


def test_without_a_client_certificate_nobody_comes_in(door, eventually):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(door.state_dir / "trust" / "ca.pem")

    with pytest.raises((ssl.SSLError, ConnectionError)):
        answer(door.raw(context=context), upgrade(Host=door.server.address))

    eventually(lambda: "refused: TLS" in door.audit())
    assert still_answers(door)


def test_a_rogue_certificate_is_refused_and_the_client_says_what_to_do(door, tmp_path, eventually):
    trust.ensure(tmp_path / "other", owner="mallory")
    (tmp_path / "other" / "trust" / "ca.pem").write_bytes((door.state_dir / "trust" / "ca.pem").read_bytes())
    info = paths.read_daemon_file(door.state_dir)

    with pytest.raises(Untrusted, match="this certificate is not trusted by the daemon") as refused:
        open_websocket(info.address, fingerprint=info.fingerprint, directory=tmp_path / "other")

    assert "harness trust add" in refused.value.hint
    eventually(lambda: "refused: TLS" in door.audit())


def test_a_certificate_that_was_removed_is_refused_by_name(door):
    (door.state_dir / "trust" / "clients.json").write_text("{}")

    with pytest.raises(Untrusted, match="not trusted here") as refused:
        door.client()

    assert refused.value.kind == "auth.untrusted"
    assert "not trusted here" in door.audit()


def test_the_role_is_the_one_in_the_daemons_own_file(door):
    path = door.state_dir / "trust" / "clients.json"
    path.write_text(path.read_text().replace('"admin"', '"read"'))

    from harness_core.protocol import StartServices

    with door.client() as client, pytest.raises(RemoteError) as error:
        client.call(StartServices(project="shop"))
    assert error.value.kind == "auth.role"


def test_somebody_else_at_the_address_is_no_daemon_of_ours(door, make_door, tmp_path):
    stranger = make_door(tmp_path / "stranger")
    info = paths.read_daemon_file(door.state_dir)

    with pytest.raises(Impostor):
        open_websocket(stranger.server.address, fingerprint=info.fingerprint, directory=door.state_dir)


def test_a_certificate_of_our_ca_that_daemon_json_does_not_name_is_no_daemon_of_ours(door):
    with pytest.raises(Impostor, match=r"not the one that daemon\.json names"):
        open_websocket(door.server.address, fingerprint="0" * 64, directory=door.state_dir)


@pytest.mark.parametrize("host", ["", "evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}"])
def test_only_exact_host_names_are_taken(door, host):
    with door.raw() as sock:
        status, body = answer(sock, upgrade(Host=host.format(port=door.address[1])))

    assert status == 403
    assert json.loads(body)["kind"] == "auth.host"


def test_two_hosts_are_one_too_many(door):
    twice = upgrade(Host=door.server.address).replace(b"Upgrade: ", f"Host: {door.server.address}\r\nUpgrade: ".encode())

    with door.raw() as sock:
        assert answer(sock, twice)[0] == 403


def test_localhost_is_a_name_of_ours(door):
    with door.raw() as sock:
        assert answer(sock, upgrade(Host=f"localhost:{door.address[1]}"))[0] == 101


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://127.0.0.1"])
def test_web_pages_stay_out(door, origin):
    with door.raw() as sock:
        status, body = answer(sock, upgrade(Host=door.server.address, Origin=origin))

    assert (status, json.loads(body)["kind"]) == (403, "auth.origin")
    assert "web pages" in door.audit()


def test_what_is_no_upgrade_is_refused(door):
    with door.raw() as sock:
        assert answer(sock, f"GET / HTTP/1.1\r\nHost: {door.server.address}\r\n\r\n".encode())[0] == 426
    with door.raw() as sock:
        assert answer(sock, upgrade(Host=door.server.address).replace(b"GET / ", b"GET /metrics "))[0] == 403
    assert still_answers(door)


def test_whoever_stays_silent_is_sent_away_in_time(make_door, eventually):
    door = make_door(patience=IMPATIENT)
    silent = [door.plain() for _ in range(10)]
    half = door.raw()
    half.sendall(b"GET / HTTP/1.1\r\nHost:")

    for sock in silent:
        assert sock.recv(10) == b""
    assert half.recv(10) == b""

    assert "did not introduce itself in time" in door.audit()
    assert still_answers(door)


def test_a_byte_now_and_then_buys_no_time(make_door):
    door = make_door(patience=IMPATIENT)
    began = time.monotonic()

    sock = door.raw()
    sock.settimeout(0.05)
    while not _hung_up(sock):
        assert time.monotonic() - began < 3


def _hung_up(sock: ssl.SSLSocket) -> bool:
    try:
        sock.sendall(b"G")
        return sock.recv(10) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_connections_that_have_not_said_who_they_are_are_capped(door, monkeypatch, eventually):
    monkeypatch.setattr(server_module, "MAX_GREETING", 5)
    silent = [door.plain() for _ in range(5)]
    eventually(lambda: len(door.server._greeting) == 5)

    assert door.plain().recv(10) == b""

    assert "too many connections" in door.audit()
    for sock in silent:
        sock.close()
    eventually(lambda: not door.server._greeting)
    assert still_answers(door)


def test_strangers_cannot_fill_the_disk_with_audit_lines(door, monkeypatch):
    for _ in range(300):
        door.call(door.server.refused, "1.2.3.4:5", "x")

    assert len(door.audit().splitlines()) <= 60


@pytest.mark.parametrize(
    ("opcode", "payload", "reason"),
    [
        (0x1, b"\xff\xfe\x00", "not UTF-8"),
        (0x2, b"\x00\x01", "text only"),
        (0x1, b"x" * (MAX_FRAME + 1), ""),
        (0x3, b"", ""),
    ],
)
def test_frames_that_are_not_ours_end_the_connection_and_hurt_nobody_else(door, opcode, payload, reason):
    ours = door.transport()

    with contextlib.suppress(ConnectionLost):  # it may hang up before it has all of a frame that is too long
        ours._send_frame(opcode, payload)

    assert reason in close_of(ours)
    assert still_answers(door)


@pytest.mark.parametrize("text", ["[" * 500 + "]" * 500, "{", "[]", '{"jsonrpc": "2.0"}', "null"])
def test_texts_that_are_no_requests_are_answered_by_an_error(door, text):
    ours = door.transport()
    ours.send(text)

    replies = []
    while len(replies) < 2:
        assert ours.ready(5)
        replies += [json.loads(reply) for reply in ours.receive()]

    assert replies[0]["method"] == "hello"
    assert replies[1]["error"]["data"]["kind"].startswith("request.")
    assert replies[1]["id"] is None
    ours.send(json.dumps({"jsonrpc": "2.0", "id": 5, "method": "services.list"}))
    assert ours.ready(5)


def test_a_frame_in_pieces_is_one_text(door):
    ours = door.transport()
    text = json.dumps({"jsonrpc": "2.0", "id": 5, "method": "services.list"}).encode()
    first, last = transport._frame(0x1, text[:10]), transport._frame(0x0, text[10:])

    ours._socket.setblocking(True)
    ours._socket.sendall(bytes([first[0] & 0x7F]) + first[1:] + last)

    ours._socket.setblocking(False)
    replies = []
    while len(replies) < 2:
        assert ours.ready(5)
        replies += [json.loads(reply) for reply in ours.receive()]
    assert replies[1]["result"]["projects"]


def test_a_client_that_answers_no_ping_is_let_go(make_door, eventually):
    door = make_door(patience=IMPATIENT)
    ours = door.transport()

    eventually(lambda: not door.server.connections, within=5)

    assert "for too long" in door.audit()
    ours.close()


def test_a_client_that_answers_pings_stays(make_door):
    door = make_door(patience=IMPATIENT)
    client = door.client()
    stream = client.stream(SubscribeEvents(project="shop"))
    assert stream.get(1)["type"] == "reset"

    assert stream.get(IMPATIENT.silence * 3) is None  # which takes pings in and answers them

    assert client.call(ListProjects())


def test_a_reader_that_is_stuck_keeps_nobody_waiting_and_no_memory(door):
    stuck, follower = door.transport(), door.client()
    stuck.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "events.subscribe", "params": {"project": "shop"}}))
    stream = follower.stream(SubscribeEvents(project="shop"))
    assert stream.get(5)["type"] == "reset"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    seen = 0
    for round in range(60):
        door.call(_publish, door, round)
        while seen < (round + 1) * 500:
            assert stream.get(5)["type"] == "event"
            seen += 1

    assert seen == 30_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 90 * 1024  # KiB; the history is 40 of 120 MiB
    stuck.close()


def _publish(door, round):
    for number in range(500):
        door.manager.bus.publish(Note, project="shop", service="api", detail=f"{round} {number} " + "x" * 4_000)


def test_a_reader_that_is_stuck_in_logs_makes_only_its_own_source_wait(door, eventually):
    door.manager.logs.lines = 1_000_000
    door.manager.logs.text = "x" * 1000
    stuck = door.transport()
    stuck.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "logs.read", "params": {"project": "shop"}}))
    eventually(lambda: door.manager.logs.read_lines > 1000)

    assert still_answers(door)

    read = door.manager.logs.read_lines
    assert read < 50_000
    assert still_answers(door)
    stuck.close()
    eventually(lambda: len(door.server.connections) == 0)


def test_a_client_that_only_asks_and_never_reads_is_not_read_any_more(door, eventually):
    door.manager.service_fields = {"reason": "x" * 100_000}
    greedy = door.transport()
    greedy._socket.settimeout(2)
    enough = 24 * 1024 * 1024  # more than the system and the daemon hold for somebody who does not read
    request = transport._frame(0x1, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "nope"}).encode())

    with pytest.raises(TimeoutError):
        _send(greedy._socket, request * 1000, enough)

    assert still_answers(door)
    greedy.close()


def _send(sock, data, total):
    for _ in range(total // len(data)):
        sock.sendall(data)


def test_logs_come_whole_through_a_slow_reader(door):
    door.manager.logs.lines = 20_000
    with door.client() as client:
        stream = client.stream(ReadLogs(project="shop"))
        texts = [item["text"] for item in stream]

    assert texts == [f"line {number}" for number in range(20_000)]


def test_a_daemon_that_ends_says_so(door):
    client = door.client()
    stream = client.stream(SubscribeEvents(project="shop"))
    stream.get(5)

    door.call(door._stop.set)

    with pytest.raises((ConnectionLost, RemoteError), match=r"the daemon ends|cancelled"):
        list(stream)


def test_ctrl_c_leaves_the_connection_usable(door):
    """In a process of its own: the signal must meet the main thread while it waits."""
    code = """if True:
        import os, pathlib, signal, sys, threading
        from harness_core.client import connect
        from harness_core.protocol import ListProjects, SubscribeEvents
        client = connect(pathlib.Path(sys.argv[1]), start=False)
        stream = client.stream(SubscribeEvents(project="shop"))
        assert stream.get(5)["type"] == "reset"
        interrupted = 0
        for _ in range(20):
            threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                stream.get(10)
            except KeyboardInterrupt:
                interrupted += 1
            assert client.call(ListProjects())["projects"]
        print(interrupted)
    """

    said = subprocess.run([sys.executable, "-c", code, str(door.state_dir)], capture_output=True, text=True, timeout=60)

    assert said.stdout.strip() == "20", said.stderr


def test_ctrl_c_in_the_middle_of_a_flood_loses_and_mixes_nothing(door):
    code = """if True:
        import pathlib, signal, sys
        from harness_core.client import connect
        from harness_core.protocol import ReadLogs
        client = connect(pathlib.Path(sys.argv[1]), start=False)
        stream = client.stream(ReadLogs(project="shop"))
        def interrupt(*_):
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, interrupt)
        import harness_core.client as module  # SIGALRM stands for Ctrl-C here
        module._SIGINT = {signal.SIGALRM}
        interrupted = 0
        def drain():  # a function: Python 3.13 leaves the jump of a `while` out of the `try` around it
            while stream.get() is not None:
                pass
        while True:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.003)
                drain()
                signal.setitimer(signal.ITIMER_REAL, 0)
                break
            except KeyboardInterrupt:
                interrupted += 1
        print(interrupted > 5, stream.result["cursors"]["api"])
    """
    door.manager.logs.lines = 100_000

    said = subprocess.run([sys.executable, "-c", code, str(door.state_dir)], capture_output=True, text=True, timeout=60)

    assert said.stdout.split() == ["True", "c99999"], said.stderr


def test_nobody_listens_at_a_stale_address(door, tmp_path):
    info = paths.read_daemon_file(door.state_dir)
    door.__exit__()

    with pytest.raises(Unreachable):
        open_websocket(info.address, fingerprint=info.fingerprint, directory=door.state_dir)
    with pytest.raises(Unreachable, match="no daemon runs here"):
        connect(door.state_dir, start=False)


def test_a_process_that_is_stopped_is_unreachable_within_a_bound(door, monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setattr(transport, "OPEN_TIMEOUT", 0.3)
        with pytest.raises(Unreachable, match=r"does not answer within 0\.3 s"):
            open_websocket(f"127.0.0.1:{deaf.getsockname()[1]}", fingerprint="00", directory=door.state_dir)


def test_the_end_takes_less_than_two_seconds_whoever_is_stuck(make_door, tmp_path):
    door = make_door(tmp_path / "other")
    door.manager.logs.lines = 1_000_000
    stuck = door.transport()
    stuck.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "logs.read", "params": {"project": "shop"}}))
    door.plain()
    began = time.monotonic()

    door.call(door._stop.set)
    door._thread.join(10)

    assert time.monotonic() - began < 2.5
    assert not (door.state_dir / "daemon.json").exists()
