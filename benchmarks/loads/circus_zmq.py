"""Ask circusd for a watcher's status with its own client: ENDPOINT NAME CLIENTS SECONDS."""

from __future__ import annotations

import sys

from circus.client import CircusClient  # type: ignore[import-not-found]  # only where circus is

from benchmarks.loads import closed_loop

endpoint, name, clients, seconds = sys.argv[1:]


def connect() -> closed_loop.Ask:
    client = CircusClient(endpoint=endpoint, timeout=30)

    def ask() -> None:
        if client.send_message("status", name=name)["status"] != "active":
            sys.exit(f"{name} does not run")

    return ask


closed_loop.run(connect, clients=int(clients), seconds=float(seconds))
