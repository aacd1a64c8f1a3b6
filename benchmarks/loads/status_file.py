"""Read the status file of runit and s6: FILE NAME CLIENTS SECONDS."""

from __future__ import annotations

import sys

from benchmarks.loads import closed_loop

path, name, clients, seconds = sys.argv[1:]


def connect() -> closed_loop.Ask:
    def ask() -> None:
        with open(path, "rb", 0) as file:
            if len(file.read(64)) < 18:
                sys.exit(f"{path} has no status")

    return ask


closed_loop.run(connect, clients=int(clients), seconds=float(seconds))
