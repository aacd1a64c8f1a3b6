from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from harness_core import paths, private

INFO = paths.DaemonInfo(
    address="127.0.0.1:7070", fingerprint="ab", pid=os.getpid(), start_time=paths.start_time(os.getpid()) or 0,
    boot_id=paths.boot_id(), version="0.1.0", protocol=1, prefix="/venv", started_at="2030-01-01T00:00:00+00:00",
)  # fmt: skip


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_state_directory_is_named_by_the_environment(monkeypatch):
    monkeypatch.setenv("HOME", "/home/alice")
    monkeypatch.delenv("HARNESS_STATE_DIR", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert paths.state_dir() == Path("/home/alice/.local/state/harness")

    monkeypatch.setenv("XDG_STATE_HOME", "relative/ones/are/invalid")
    assert paths.state_dir() == Path("/home/alice/.local/state/harness")

    monkeypatch.setenv("XDG_STATE_HOME", "/var/alice")
    assert paths.state_dir() == Path("/var/alice/harness")

    monkeypatch.setenv("HARNESS_STATE_DIR", "~/elsewhere")
    assert paths.state_dir() == Path("/home/alice/elsewhere")


def test_a_relative_state_directory_is_refused_because_the_daemon_lives_elsewhere(monkeypatch):
    monkeypatch.setenv("HARNESS_STATE_DIR", "state")

    with pytest.raises(paths.BadPath, match="not an absolute path"):
        paths.state_dir()


def test_the_daemons_settings_are_in_the_config_home(monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/alice")

    assert paths.daemon_config() == Path("/etc/alice/harness/daemon.yaml")


def test_the_state_directory_is_made_closed_to_others(tmp_path):
    previous = os.umask(0)
    try:
        paths.ensure_state_dir(tmp_path / "a" / "state")
    finally:
        os.umask(previous)

    assert mode(tmp_path / "a" / "state") == 0o700


@pytest.mark.parametrize("bits", [0o710, 0o701, 0o770])
def test_a_state_directory_that_others_may_enter_is_refused_with_the_fix(tmp_path, bits):
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(bits)

    with pytest.raises(private.StateInsecure, match="open to other users") as refused:
        paths.ensure_state_dir(tmp_path / "state")

    assert refused.value.hint == f"chmod 700 {tmp_path / 'state'}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_state_directory_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "state").mkdir(mode=0o700)
    os.chown(tmp_path / "state", 12345, 12345)

    with pytest.raises(private.StateInsecure, match="belongs to user 12345"):
        paths.ensure_state_dir(tmp_path / "state")


def test_a_symlink_is_no_state_directory(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "state").symlink_to(tmp_path / "real")

    with pytest.raises(private.StateInsecure, match="not a plain folder"):
        paths.ensure_state_dir(tmp_path / "state")


def test_a_state_directory_that_cannot_be_made_is_named_with_the_fix(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(private.StateUnwritable, match=str(tmp_path / "file")) as refused:
        paths.ensure_state_dir(tmp_path / "file" / "state")

    assert "HARNESS_STATE_DIR" in (refused.value.hint or "")


def test_daemon_json_comes_back_as_it_was_written_and_is_closed_to_others(tmp_path):
    paths.write_daemon_file(tmp_path, INFO)

    assert paths.read_daemon_file(tmp_path) == INFO
    assert mode(tmp_path / "daemon.json") == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["daemon.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"address": 1}', "\x00"])
def test_a_daemon_json_that_cannot_be_read_is_as_good_as_none(tmp_path, text):
    private.replace(tmp_path / "daemon.json", text.encode())

    assert paths.read_daemon_file(tmp_path) is None


def test_a_daemon_json_that_others_may_write_is_refused(tmp_path):
    paths.write_daemon_file(tmp_path, INFO)
    (tmp_path / "daemon.json").chmod(0o622)

    with pytest.raises(private.StateInsecure):
        paths.read_daemon_file(tmp_path)


def test_a_daemon_removes_only_its_own_daemon_json(tmp_path):
    paths.write_daemon_file(tmp_path, INFO)

    paths.remove_daemon_file(tmp_path, INFO.pid + 1)
    assert paths.read_daemon_file(tmp_path) == INFO

    paths.remove_daemon_file(tmp_path, INFO.pid)
    assert paths.read_daemon_file(tmp_path) is None


def test_a_recycled_pid_is_not_the_daemon():
    assert paths.alive(INFO)
    assert not paths.alive(replace(INFO, start_time=INFO.start_time + 1))
    assert not paths.alive(replace(INFO, boot_id="another boot"))
    assert not paths.alive(replace(INFO, pid=2**22 + 1))


def test_a_file_that_cannot_be_replaced_stays_as_it_was(tmp_path):
    private.replace(tmp_path / "file", b"before")
    (tmp_path / f".file.{os.getpid()}").mkdir()  # the way to the new content is blocked

    with pytest.raises(private.StateUnwritable):
        private.replace(tmp_path / "file", b"after")

    assert (tmp_path / "file").read_bytes() == b"before"
