"""What a daemon leaves to the code that replaces it, and what that makes of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from harness_core import installation
from harness_core.daemon import lock as lock_module
from harness_core.daemon.__main__ import main
from harness_core.daemon.app import Options, serve
from harness_core.daemon.handover import Handover, HandoverFailed, Inherited
from harness_core.daemon.lock import AlreadyRunning, only_daemon
from harness_core.daemon.settings import Settings
from harness_core.installation import Installation, UpgradeRefused, examine, ours
from harness_core.testing.catalog import catalog_of
from harness_core.testing.fakes.registry import memory_offer


def test_what_is_inherited_survives_its_way_over_the_command_line():
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    inherited = Inherited(reading, writing, ("::1", 7070))

    assert Inherited.from_text(inherited.to_text()) == inherited
    assert not os.get_inheritable(reading), "no child may have it"
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"lock": 1}', '{"lock": 99999, "listener": 99999, "listen": ["a", 1]}'])
def test_what_no_daemon_has_left_is_a_usage_error(text, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--inherit", text])

    assert ended.value.code == 2
    assert "--inherit" in capsys.readouterr().err


def test_a_lock_that_was_held_is_held_on_without_a_gap(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "ENDING", 0.05)
    with only_daemon(tmp_path) as lock:
        kept = os.dup(lock)
    with pytest.raises(AlreadyRunning), only_daemon(tmp_path):
        raise AssertionError

    with only_daemon(tmp_path, held=kept) as lock:
        assert lock == kept
        with pytest.raises(AlreadyRunning), only_daemon(tmp_path):
            raise AssertionError

    with only_daemon(tmp_path):
        pass


@pytest.mark.parametrize("asked", ["the same", "another"])
def test_the_inherited_socket_is_used_if_it_is_what_the_settings_ask_for(tmp_path, asked):
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    lock = os.open(state / "daemon.lock", os.O_RDWR | os.O_CREAT, 0o600)
    made_for = ("127.0.0.1", 0) if asked == "the same" else ("127.0.0.1", 7)
    options = Options(state_dir=state, settings=Settings("memory"), inherited=Inherited(lock, listener.detach(), made_for))
    found = []

    def ready() -> None:
        found.append(json.loads((state / "daemon.json").read_text()))
        os.kill(os.getpid(), signal.SIGTERM)

    async def once() -> None:
        async with asyncio.timeout(30):
            assert await serve(options, ready=ready, catalog=catalog_of(registry_backends=[memory_offer()])) is None

    asyncio.run(once())

    assert (found[0]["address"] == address) == (asked == "the same")
    assert found[0]["plugins"] == ["harness-testing"]
    assert not (state / "daemon.json").exists()


def test_an_interpreter_that_is_gone_is_a_clear_failure(tmp_path):
    descriptor = os.open(os.devnull, os.O_RDONLY)
    to = Installation(str(tmp_path / "python"), str(tmp_path))
    here = Path.cwd()
    try:
        with pytest.raises(HandoverFailed, match="python can't be run: No such file"):
            Handover(to, Inherited(descriptor, descriptor, ("a", 1))).carry_out([])
    finally:
        os.chdir(here)
        os.close(descriptor)


def test_our_own_installation_passes_the_check_and_says_what_it_brings(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    facts = examine(ours(), tmp_path / "state")

    assert facts["prefix"] == sys.prefix
    assert "process" in facts["offers"]["executor"]
    assert Path(facts["keeper"], "state.py").exists()
    assert not (tmp_path / "state" / "daemon.json").exists()


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("exit 3", "ended with 3 and without a word"),
        ("echo 'unrecognized arguments: --check' >&2; exit 2", "unrecognized arguments: --check"),
        ("echo hello", "without a word"),
        ("echo '[]'", "without a word"),
        ('echo \'{"error": {"message": "no, and why", "hint": "do this"}}\'', "no, and why"),
    ],
)
def test_an_installation_that_does_not_answer_is_refused_with_the_cause(tmp_path, script, cause):
    with pytest.raises(UpgradeRefused, match=cause):
        examine(installation_of(tmp_path, script), tmp_path)


def test_one_that_hangs_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(installation, "CHECK_TIMEOUT", 0.5)

    with pytest.raises(UpgradeRefused, match=r"did not say within 0\.5 s"):
        examine(installation_of(tmp_path, "exec sleep 60"), tmp_path)


def installation_of(folder: Path, script: str) -> Installation:
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return Installation(str(python), str(folder))
