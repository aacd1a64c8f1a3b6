"""Who holds a port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing

from harness_core.engine.ports import holder_of

LISTEN = """import socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
sys.stdin.read()"""


def test_a_holder_is_named_by_pid_command_and_service() -> None:
    env = {**os.environ, "HARNESS_SERVICE": "api", "HARNESS_PROJECT": "shop-1"}
    with subprocess.Popen([sys.executable, "-c", LISTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as holder:
        assert holder.stdout is not None
        port = int(holder.stdout.readline())

        told = holder_of(port)

        holder.communicate(b"")
    assert told is not None
    assert told.startswith(f"pid {holder.pid} (")
    assert "import socket" in told
    assert told.endswith("service 'api' of project 'shop-1'")


def test_a_port_that_is_only_connected_from_or_free_has_no_holder() -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))  # bound, and not listening
        assert holder_of(probe.getsockname()[1]) is None
