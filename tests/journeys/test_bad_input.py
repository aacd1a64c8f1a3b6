"""What people get wrong, and what the machine does to them: a clear error, the thing named, nothing half started."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

import harness_core


def config(services: str) -> str:
    return f'version: "1.0"\nname: bad\nservices:\n{services}'


FIRST = """\
  first:
    type: process
    command: [sh, -c, "touch first-has-started; sleep 1000"]
"""


def refused(harness, *args: str, code: int = 3):
    """What `harness ARGS…` says when it refuses, with this code, having started nothing."""
    result = harness.run(*args)
    assert result.code == code, result.text
    assert "Traceback" not in result.text
    assert not harness.strays()
    assert not (harness.project / "first-has-started").exists()
    return result.text


def test_an_unknown_type_is_named_beside_those_that_are_installed(harness):
    harness.write(config(FIRST + "  web: { type: podman, image: nginx }\n"))

    text = refused(harness, "up", "-d")

    assert "podman" in text
    assert "installed: process, process-attach" in text
    assert "services.yaml:7:" in text


def test_a_cycle_is_shown_before_anything_starts(harness):
    a = "  a: { type: process, command: [sleep, '1000'], dependencies: [b] }\n"
    b = "  b: { type: process, command: [sleep, '1000'], dependencies: [a] }\n"
    harness.write(config(FIRST + a + b))

    text = refused(harness, "up", "-d")

    assert "a → b → a" in text or "a -> b -> a" in text or "b → a → b" in text or "b -> a -> b" in text


def test_a_missing_binary_is_named_before_anything_starts(harness):
    harness.write(config(FIRST + "  broken:\n    type: process\n    command: [no-such-program]\n    dependencies: [first]\n"))

    text = refused(harness, "up", "-d", code=1)

    assert "no-such-program" in text
    assert "broken" in text


def test_a_port_in_use_is_named_with_its_holder(harness):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        harness.write(config(f"  web: {{ type: process, command: [sleep, '1000'], ports: [{port}], restart: 'no' }}\n"))

        text = refused(harness, "up", "-d", code=1)

    assert str(port) in text
    assert str(os.getpid()) in text, "the holder's pid"
    assert Path("/proc/self/cmdline").read_bytes().split(b"\0")[0].decode() in text, "the holder's command line"


def test_a_port_held_by_another_service_is_named_with_that_service(harness):
    listen = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(1000)"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    harness.write(listen, "listen.py")
    program = f"    command: [python3, listen.py, '{port}']\n    ports: [{port}]\n"
    check = f"    health_check: {{ tcp: {{ port: {port} }}, interval: 100ms, start_period: 10s }}\n"
    harness.write(config("  holder:\n    type: process\n" + program + check))
    harness.ok("up", "-d")
    taker = f"  taker: {{ type: process, command: [sleep, '1000'], ports: [{port}], restart: 'no' }}\n"
    other = harness.write(config(taker), "other.yaml")

    result = harness.run("-f", str(other), "up", "-d")

    assert result.code == 1
    assert str(port) in result.text
    assert "holder" in result.text


@pytest.mark.parametrize("kind", ["missing", "a folder"])
def test_an_env_file_that_cannot_be_read_is_named(harness, kind):
    if kind == "a folder":
        (harness.project / ".env.web").mkdir()
    harness.write(config(FIRST + "  web:\n    type: process\n    command: [sleep, '1000']\n    env_file: [.env.web]\n"))

    text = refused(harness, "up", "-d")

    assert ".env.web" in text
    assert "services.yaml:10:" in text


@pytest.mark.parametrize("place", ["under a file", "in /proc"])
def test_a_state_dir_that_cannot_be_written_is_named(harness, tmp_path, place):
    (tmp_path / "file").write_text("")
    state_dir = tmp_path / "file" / "state" if place == "under a file" else Path("/proc/harness-state")
    harness.write(config(FIRST))

    result = harness.run("up", "-d", env={"HARNESS_STATE_DIR": str(state_dir)})

    assert result.code == 4
    assert str(state_dir) in result.text or str(state_dir.parent) in result.text
    assert "Traceback" not in result.text
    assert not (harness.project / "first-has-started").exists()


def test_a_second_daemon_names_the_first(harness):
    harness.write(config(FIRST))
    harness.ok("up", "-d")
    pid = harness.daemon_pid

    second = harness.run("daemon", "start")

    assert str(pid) in second.text
    assert harness.daemon_pid == pid


def test_a_daemon_of_another_version_is_named_with_what_to_do(harness, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(Path(harness_core.__file__).parent, other / "harness_core", ignore=shutil.ignore_patterns("__pycache__"))
    alter(other / "harness_core" / "__init__.py", f'__version__ = "{harness_core.__version__}"', '__version__ = "9.8.7"')
    alter(other / "harness_core" / "protocol.py", "PROTOCOL_VERSION = 1", "PROTOCOL_VERSION = 9")
    harness.write(config(FIRST))
    ours = harness.command
    harness.command = (sys.executable, "-m", "harness_core")
    harness.ok("daemon", "start", cwd=other)

    harness.command = ours
    result = harness.run("status")

    harness.command = (sys.executable, "-m", "harness_core")
    harness.ok("daemon", "stop", cwd=other)
    assert result.code == 4
    assert "9.8.7" in result.text
    assert harness_core.__version__ in result.text
    assert "harness daemon" in result.text, "what to do"


def alter(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
