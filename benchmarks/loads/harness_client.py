"""Ask harness for a service's status by its own client, over TLS: STATE-DIRECTORY PROJECT NAME CLIENTS SECONDS."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.loads import closed_loop
from harness_core.client import connect as connect_to
from harness_core.protocol import StatusOfServices

state, project, name, clients, seconds = sys.argv[1:]


def connect() -> closed_loop.Ask:
    client = connect_to(Path(state), start=False)
    request = StatusOfServices(project=project, services=(name,))

    def ask() -> None:
        if client.call(request)["services"][0]["state"] != "running":
            sys.exit(f"{name} does not run")

    return ask


closed_loop.run(connect, clients=int(clients), seconds=float(seconds))
