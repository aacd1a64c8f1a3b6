"""`sh -c` around a listener that double-forks, leaves its session and ignores TERM: `stop` ends it all the same."""

from __future__ import annotations

import socket
import time

LISTENER = '''\
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        print("listening", flush=True)
        while True:
            listener.accept()[0].close()
    os._exit(0)
while True:
    time.sleep(1)
'''

CONFIG = """\
version: "1.0"
name: stubborn
services:
  listener:
    type: process
    command: [sh, -c, "trap '' TERM; python3 listener.py $0; :", "${listener.port}"]
    ports: [{ name: main, port: auto }]
    health_check: { tcp: { port: "${listener.port}" }, interval: 100ms, start_period: 10s }
    stop: { timeout: 2s }
"""


def test_stop_returns_within_its_timeout_and_two_seconds_and_leaves_nothing(harness):
    harness.write(LISTENER, "listener.py")
    harness.write(CONFIG)
    harness.ok("up", "-d")
    port = int(harness.service("listener")["endpoints"]["main"].rpartition(":")[2])
    socket.create_connection(("127.0.0.1", port), timeout=2).close()
    assert len(harness.strays()) >= 3

    began = time.monotonic()
    harness.ok("stop", "listener")
    took = time.monotonic() - began

    assert 2 <= took < 4
    assert not harness.strays()
    assert harness.service("listener")["state"] == "stopped"
    killed = [event for event in harness.events("listener") if event["kind"] == "killed"]
    assert len(killed) == 1
    assert "KILL" in harness.ok("events", "listener").out
