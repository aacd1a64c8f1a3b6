"""Daemons as processes of their own: started, found, doubled, killed, ended; with the real engine and a registry in memory."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import harness_core
from harness_core import client as client_module
from harness_core import paths, summon
from harness_core.client import Client, VersionMismatch, connect
from harness_core.protocol import DaemonLogs, DaemonStatus, ListProjects, StopDaemon
from harness_core.summon import StartFailed
from harness_core.transport import Unreachable

PLUGIN = """
from harness_core.hookspecs import hookimpl
from harness_core.testing.fakes.registry import memory_offer

@hookimpl
def harness_registry_backends():
    return [memory_offer()]
"""


class Home:
    """A home with a plugin for its registry; ends what was started in it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = folder / "state"
        self.config = folder / "config" / "harness" / "daemon.yaml"
        self.pids: set[int] = set()
        site = folder / "site"
        info = site / "home_registry-1.0.dist-info"
        info.mkdir(parents=True)
        (site / "home_registry.py").write_text(PLUGIN)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: home-registry\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[harness.plugins]\nhome = home_registry\n")
        self.settings("registry: { type: memory }\n")
        known = [str(site), str(Path(harness_core.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, known)))
        monkeypatch.setenv("HARNESS_STATE_DIR", str(self.state))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        monkeypatch.setenv("HOME", str(folder))

    def settings(self, text: str) -> None:
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(text)

    def client(self) -> Client:
        client = connect(self.state, start=True)
        self.pids.add(client.hello["pid"])
        return client

    def info(self) -> paths.DaemonInfo:
        info = paths.read_daemon_file(self.state)
        assert info is not None
        self.pids.add(info.pid)
        return info

    def foreground(self, *arguments: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "harness_core.daemon", "--foreground", *arguments]
        return subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)

    def close(self) -> None:
        with contextlib.suppress(AssertionError):
            self.info()
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # What a killed daemon leaves: its keeper waits for the next one.
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.fsencode(self.state / "keeper") in (entry / "cmdline").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    home = Home(tmp_path, monkeypatch)
    yield home
    home.close()


def gone(pid: int) -> bool:
    return paths.start_time(pid) is None or Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"


def test_a_daemon_is_started_on_demand_and_found_by_the_next_who_needs_it(home):
    told = []
    with connect(home.state, start=True, on_start=lambda: told.append("starting")) as client:
        status = client.call(DaemonStatus())

    info = home.info()
    assert told == ["starting"]
    assert (info.pid, info.address, info.prefix) == (status["pid"], status["address"], sys.prefix)
    assert (status["version"], status["state_dir"]) == (harness_core.__version__, str(home.state))
    with connect(home.state, start=True, on_start=lambda: pytest.fail("there is one")) as again:
        assert again.hello["pid"] == info.pid


def test_nothing_is_started_where_that_was_not_asked_for(home):
    with pytest.raises(Unreachable, match="no daemon runs here"):
        connect(home.state, start=False)

    assert not home.state.exists()


def test_those_who_start_one_at_once_share_one_daemon(home):
    pids = []

    def start() -> None:
        with connect(home.state, start=True) as client:
            pids.append(client.hello["pid"])

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert pids == [home.info().pid] * 3


def test_a_daemon_belongs_to_nobodys_terminal_and_is_nobodys_child(home):
    with home.client() as client:
        pid = client.hello["pid"]

    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    assert int(fields[1]) != os.getpid()
    assert int(fields[3]) != os.getsid(0)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1)} == {"/dev/null"}


def test_a_second_daemon_is_refused_and_names_the_first(home):
    with home.client() as client:
        pid = client.hello["pid"]

    second = home.foreground()
    said = second.communicate(timeout=30)[1]

    assert second.returncode == 1
    assert f"error[daemon.already-running]: a daemon (pid {pid}) already serves {home.state}" in said
    assert home.info().pid == pid


def test_a_second_daemon_in_the_background_tells_its_starter(home):
    home.client().close()

    with pytest.raises(StartFailed, match="already serves") as error:
        summon.start_daemon(home.state)
    assert error.value.kind == "daemon.already-running"


def test_a_killed_daemon_leaves_nothing_that_stands_in_the_way(home, eventually):
    with home.client() as client:
        first = client.hello["pid"]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: gone(first))
    assert home.info().pid == first, "daemon.json is stale"

    with pytest.raises(Unreachable):
        connect(home.state, start=False)
    with home.client() as client:
        assert client.hello["pid"] != first


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_that_is_asked_to_end_does_so_in_less_than_two_seconds(home, eventually, number):
    with home.client() as client:
        pid = client.hello["pid"]
        stream = client.stream(DaemonLogs(follow=True))
        stream.get(5)
        began = time.monotonic()

        os.kill(pid, number)

        eventually(lambda: gone(pid), within=5)
        assert time.monotonic() - began < 2
    assert not paths.daemon_file(home.state).exists()
    assert "ended; services run on" in (home.state / "daemon.log").read_text()


def test_hanging_up_ends_no_daemon(home):
    with home.client() as client:
        os.kill(client.hello["pid"], signal.SIGHUP)

        assert client.call(ListProjects()) == {"projects": []}


def test_the_next_daemon_starts_while_the_one_before_is_still_ending(home):
    with home.client() as client:
        first = client.hello["pid"]
        client.call(StopDaemon())

    with home.client() as client:
        assert client.hello["pid"] != first


def test_a_daemon_on_demand_ends_itself_when_nobody_needs_it(home, monkeypatch, eventually):
    monkeypatch.setenv("HARNESS_IDLE_SECONDS", "0.8")
    client = home.client()
    pid = client.hello["pid"]
    assert client.stream(DaemonLogs(follow=True)).get(5)
    time.sleep(2)
    assert not gone(pid), "a client is connected"

    client.close()

    eventually(lambda: gone(pid), within=5)
    assert not paths.daemon_file(home.state).exists()


def test_a_daemon_that_was_started_by_name_stays(home, monkeypatch):
    monkeypatch.setenv("HARNESS_IDLE_SECONDS", "0.1")
    summon.start_daemon(home.state)
    pid = home.info().pid
    time.sleep(1)

    assert not gone(pid)


def test_the_cause_is_told_when_the_state_directory_cannot_be_written(home, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(Exception, match="cannot write") as error:
        connect(tmp_path / "file" / "state", start=True)
    assert error.value.kind == "state.unwritable"


def test_the_cause_is_told_when_the_registrys_plugin_is_not_installed(home):
    home.settings("registry: { type: etcd }\n")

    with pytest.raises(StartFailed, match=r"no registry backend 'etcd'; installed: .*memory") as error:
        connect(home.state, start=True)
    assert error.value.kind == "plugin.missing"


def test_the_cause_is_told_when_the_settings_are_wrong_with_the_place(home):
    home.settings("registri: { type: memory }\n")

    with pytest.raises(StartFailed, match=r"daemon\.yaml:1:1: .*registri.*did you mean 'registry'"):
        connect(home.state, start=True)

    process = home.foreground()
    assert "error[config.invalid]" in process.communicate(timeout=30)[1]
    assert process.returncode == 3


def test_the_cause_is_told_when_the_daemon_dies_without_a_word(home, monkeypatch, tmp_path):
    (tmp_path / "site" / "asyncio.py").write_text("raise RuntimeError('asyncio is broken')")

    with pytest.raises(StartFailed, match="did not start: RuntimeError: asyncio is broken") as error:
        connect(home.state, start=True)
    assert str(home.state / "daemon.start") in error.value.hint


def test_a_port_that_is_taken_is_named(home):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"

        with pytest.raises(StartFailed, match=f"cannot listen on {address}: Address already in use") as error:
            summon.start_daemon(home.state, arguments=("--listen", address))

    assert error.value.kind == "daemon.cannot-listen"


def test_an_address_may_be_chosen(home):
    summon.start_daemon(home.state, arguments=("--listen", "localhost:0"))

    with home.client() as client:
        assert client.call(ListProjects()) == {"projects": []}


def test_a_daemon_that_is_stopped_is_named_and_no_second_one_started(home, monkeypatch):
    from harness_core import transport

    monkeypatch.setattr(transport, "OPEN_TIMEOUT", 0.5)
    with home.client() as client:
        pid = client.hello["pid"]
    os.kill(pid, signal.SIGSTOP)

    with pytest.raises(Unreachable, match=rf"the daemon \(pid {pid}\) lives but does not answer") as error:
        connect(home.state, start=True)

    assert "kill -CONT" in error.value.hint
    os.kill(pid, signal.SIGCONT)


def test_a_daemon_that_speaks_another_protocol_is_named_with_the_way_out(home, monkeypatch):
    home.client().close()
    monkeypatch.setattr(client_module, "PROTOCOL_VERSION", 99)

    with pytest.raises(
        VersionMismatch, match=r"harness 0\.1\.0 \(protocol 1\), this is harness 0\.1\.0 \(protocol 99\)"
    ) as error:
        connect(home.state, start=False)
    assert error.value.hint.endswith("harness daemon upgrade")


def test_a_daemon_that_nobody_understands_is_dismissed_and_a_stranger_with_its_pid_is_not(home, eventually):
    home.client().close()
    info = home.info()
    paths.write_daemon_file(home.state, replace(info, start_time=info.start_time + 1))
    assert summon.dismiss(home.state) is False

    paths.write_daemon_file(home.state, info)
    assert summon.dismiss(home.state) is True

    eventually(lambda: gone(info.pid), within=5)
    assert summon.dismiss(home.state) is False


def test_a_daemon_of_another_release_is_told_once_and_works(home, monkeypatch, capsys):
    home.client().close()
    monkeypatch.setattr(client_module, "__version__", "9.9")

    with connect(home.state, start=False) as client:
        assert client.call(ListProjects()) == {"projects": []}

    said = capsys.readouterr().err
    assert said.count("the daemon is harness 0.1.0, this is harness 9.9") == 1


def test_in_the_foreground_it_logs_for_people_and_ends_with_0(home, eventually):
    process = home.foreground()
    eventually(lambda: paths.daemon_file(home.state).exists())

    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=10)[1]

    assert process.returncode == 0
    assert "answers at 127.0.0.1:" in said
    assert "{" not in said


def test_state_from_the_first_start_is_closed_to_others(home):
    home.client().close()

    modes = {str(path.relative_to(home.state)): path.stat().st_mode & 0o777 for path in home.state.rglob("*") if path.is_file()}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
    assert {"daemon.json", "daemon.log", "audit.jsonl", "daemon.lock", "trust/ca-key.pem"} <= set(modes)


def test_ending_by_request_is_audited(home, eventually):
    with home.client() as client:
        client.call(StopDaemon())

    def entries() -> list[str]:
        return [json.loads(line)["what"] for line in (home.state / "audit.jsonl").read_text().splitlines()]

    assert eventually(entries) == ["daemon.stop"]
