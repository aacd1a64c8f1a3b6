"""Ask the floor for a service's pid: SOCKET NAME CLIENTS SECONDS."""

from __future__ import annotations

import socket
import sys

from benchmarks.loads import closed_loop

address, name, clients, seconds = sys.argv[1:]


def connect() -> closed_loop.Ask:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(address)
    question = name.encode() + b"\n"

    def ask() -> None:
        sock.sendall(question)
        if int(sock.recv(300).split()[1]) <= 0:
            sys.exit(f"{name} does not run")

    return ask


closed_loop.run(connect, clients=int(clients), seconds=float(seconds))
