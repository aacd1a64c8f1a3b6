"""Ask supervisord for a service's state: SOCKET NAME CLIENTS SECONDS."""

from __future__ import annotations

import http.client
import socket
import sys

from benchmarks.loads import closed_loop

address, name, clients, seconds = sys.argv[1:]
BODY = (
    "<?xml version='1.0'?><methodCall><methodName>supervisor.getProcessInfo</methodName>"
    f"<params><param><value><string>{name}</string></value></param></params></methodCall>"
).encode()


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(address)


def connect() -> closed_loop.Ask:
    connection = UnixConnection("localhost")

    def ask() -> None:
        connection.request("POST", "/RPC2", BODY, {"Content-Type": "text/xml"})
        if b"RUNNING" not in connection.getresponse().read():
            sys.exit(f"{name} does not run")

    return ask


closed_loop.run(connect, clients=int(clients), seconds=float(seconds))
