from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from harness_core import paths
from harness_core.daemon import lock
from harness_core.daemon.lock import AlreadyRunning, only_daemon
from harness_core.private import StateUnwritable

HOLD = """if True:
    import pathlib, sys
    from harness_core.daemon.lock import only_daemon
    with only_daemon(pathlib.Path(sys.argv[1])):
        print(flush=True)
        sys.stdin.readline()
"""


@contextmanager
def holder(directory):
    argv = [sys.executable, "-c", HOLD, str(directory)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


def announce(directory, pid):
    info = paths.DaemonInfo("127.0.0.1:1", "ab", pid, 1, "boot", "0.1.0", 1, "/", "now")
    paths.write_daemon_file(directory, info)


def test_a_second_daemon_is_refused_at_once_and_names_the_first(tmp_path):
    with holder(tmp_path) as first:
        announce(tmp_path, first.pid)
        began = time.monotonic()

        with pytest.raises(AlreadyRunning, match=f"pid {first.pid}"), only_daemon(tmp_path):
            pass

        assert time.monotonic() - began < 1


def test_a_daemon_that_is_just_ending_is_waited_for(tmp_path):
    with holder(tmp_path) as first:
        os.set_blocking(first.stdin.fileno(), True)
        first.stdin.write(b"end\n")
        first.stdin.flush()

        with only_daemon(tmp_path):
            assert first.wait(5) == 0


def test_waiting_for_one_that_never_ends_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "ENDING", 0.2)

    with holder(tmp_path), pytest.raises(AlreadyRunning), only_daemon(tmp_path):
        pass


def test_what_a_killed_daemon_leaves_stands_in_nobodys_way(tmp_path):
    with holder(tmp_path) as first:
        announce(tmp_path, first.pid)
        first.kill()
        first.wait()

        with only_daemon(tmp_path):
            assert (tmp_path / "daemon.lock").read_text() == str(os.getpid())


def test_a_lock_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "daemon.lock").mkdir()

    with pytest.raises(StateUnwritable, match=r"daemon\.lock"), only_daemon(tmp_path):
        pass
