from __future__ import annotations

import json
import socket
import ssl
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness_core import private, trust

NOW = 1_900_000_000.0


@pytest.fixture
def state(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    trust.ensure(directory, owner="alice")
    return directory


def shake(server: ssl.SSLContext, client: ssl.SSLContext, *, name: str = "127.0.0.1") -> bytes:
    """What the client reads from a server that greets whoever it lets in, and its certificate's fingerprint."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as tls:
                tls.sendall(trust.fingerprint(tls.getpeercert(binary_form=True) or b"").encode())
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as tls:
            return tls.recv(1000)
    finally:
        ours.close()
        thread.join()


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((directory / "trust").iterdir())}


def test_the_first_start_makes_everything_closed_to_others(state):
    assert set(files(state)) == {"ca.pem", "ca-key.pem", "server.pem", "client.pem", "clients.json", "lock"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (state / "trust").iterdir()} == {0o600}
    assert stat.S_IMODE((state / "trust").stat().st_mode) == 0o700


def test_client_and_server_trust_each_other_over_tls_1_3(state):
    greeting = shake(trust.server_context(state), trust.client_context(state))

    known = trust.clients(state)[greeting.decode()]
    assert (known.name, known.role) == ("alice", "admin")


def test_the_next_start_changes_nothing(state):
    before = files(state)

    assert trust.ensure(state, owner="alice") is False

    assert files(state) == before


def test_certificates_are_renewed_at_two_thirds_of_their_life_and_not_before(tmp_path):
    assert trust.ensure(tmp_path / "s", owner="alice", now=NOW) is True
    before = files(tmp_path / "s")

    assert trust.ensure(tmp_path / "s", owner="alice", now=NOW + trust.LIFETIME * 0.66) is False
    assert files(tmp_path / "s") == before

    assert trust.ensure(tmp_path / "s", owner="alice", now=NOW + trust.LIFETIME * 0.67) is True
    after = files(tmp_path / "s")
    assert after["ca.pem"] == before["ca.pem"]
    assert after["server.pem"] != before["server.pem"]
    assert after["client.pem"] != before["client.pem"]


def test_a_client_certificate_stays_accepted_when_it_was_renewed_until_its_end(tmp_path):
    trust.ensure(tmp_path / "s", owner="alice", now=NOW)
    first = trust.fingerprint_of(trust.client_file(tmp_path / "s"))

    trust.ensure(tmp_path / "s", owner="alice", now=NOW + trust.LIFETIME * 0.7)
    assert set(trust.clients(tmp_path / "s")) == {first, trust.fingerprint_of(trust.client_file(tmp_path / "s"))}

    trust.ensure(tmp_path / "s", owner="alice", now=NOW + trust.LIFETIME * 1.5)
    assert first not in trust.clients(tmp_path / "s")


def test_another_name_gets_another_server_certificate(state):
    assert trust.ensure(state, owner="alice", names=["box.example"]) is True

    assert shake(trust.server_context(state), trust.client_context(state), name="box.example")
    assert trust.ensure(state, owner="alice", names=["box.example"]) is False


def test_another_name_than_those_of_the_certificate_is_refused(state):
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(trust.server_context(state), trust.client_context(state), name="evil.example")


def test_a_client_of_another_ca_is_refused(state, tmp_path):
    trust.ensure(tmp_path / "other", owner="mallory")
    rogue = trust.client_context(tmp_path / "other")
    rogue.load_verify_locations(state / "trust" / "ca.pem")

    with pytest.raises((ssl.SSLError, ConnectionError)):
        assert not shake(trust.server_context(state), rogue)


def test_a_server_of_another_ca_is_refused(state, tmp_path):
    trust.ensure(tmp_path / "other", owner="mallory")

    with pytest.raises(ssl.SSLCertVerificationError):
        shake(trust.server_context(tmp_path / "other"), trust.client_context(state))


def test_the_servers_certificate_is_none_of_a_client(state):
    confused = trust.client_context(state)
    confused.load_cert_chain(trust.server_file(state))

    with pytest.raises((ssl.SSLError, ConnectionError)):
        assert not shake(trust.server_context(state), confused)


def test_nothing_older_than_tls_1_3_is_spoken(state):
    old = trust.client_context(state)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake(trust.server_context(state), old)


def test_processes_that_start_at_once_end_up_with_one_ca(tmp_path):
    code = """if True:
        import pathlib, sys, time
        from harness_core import certificates, trust
        print(flush=True)
        sys.stdin.readline()
        trust.ensure(pathlib.Path(sys.argv[1]), owner="alice")
    """
    argv = [sys.executable, "-c", code, str(tmp_path / "s")]
    processes = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.communicate(b"go\n", timeout=30)

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert shake(trust.server_context(tmp_path / "s"), trust.client_context(tmp_path / "s"))
    assert len(trust.clients(tmp_path / "s")) == 1


def test_a_crash_between_key_and_certificate_of_the_ca_is_made_good(state):
    (state / "trust" / "ca.pem").unlink()
    (state / "trust" / "server.pem").unlink()
    (state / "trust" / "client.pem").unlink()

    trust.ensure(state, owner="alice")

    assert shake(trust.server_context(state), trust.client_context(state))


@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem", "server.pem", "client.pem", "clients.json"])
def test_a_file_that_others_may_read_is_refused(state, name):
    (state / "trust" / name).chmod(0o644)

    with pytest.raises(private.StateInsecure, match=name):
        trust.ensure(state, owner="alice")


def test_scribbled_certificates_are_named_with_the_way_out(state):
    (state / "trust" / "ca.pem").write_text("not a certificate")

    with pytest.raises(trust.TrustBroken, match=r"ca\.pem can't be used") as refused:
        trust.client_context(state)

    assert str(state / "trust") in (refused.value.hint or "")


def test_scribbled_clients_are_named(state):
    (state / "trust" / "clients.json").write_text(json.dumps({"ab": {"name": "x"}}))

    with pytest.raises(trust.TrustBroken, match=r"clients\.json"):
        trust.clients(state)


def test_a_client_needs_no_cryptography_package(state):
    code = (
        "import sys, pathlib; from harness_core import trust; trust.client_context(pathlib.Path(sys.argv[1]));"
        "print('cryptography' in sys.modules, 'asyncio' in sys.modules)"
    )

    said = subprocess.run([sys.executable, "-c", code, str(state)], capture_output=True, text=True, check=True).stdout

    assert said.strip() == "False False"
