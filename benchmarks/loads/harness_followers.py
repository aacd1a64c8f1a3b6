"""Follow a service's log on many connections: STATE-DIRECTORY PROJECT NAME FOLLOWERS SECONDS."""

from __future__ import annotations

import datetime
import json
import resource
import selectors
import sys
import time
from pathlib import Path

from harness_core.client import connect
from harness_core.protocol import ReadLogs
from harness_core.transport import WebSocketTransport

START_WITHIN = 15.0

state, project, name, followers, seconds = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
request = ReadLogs(project=project, services=(name,), tail=0, follow=True)
clients = [connect(Path(state), start=False) for _ in range(int(followers))]
streams = [client.stream(request) for client in clients]

selector = selectors.DefaultSelector()
for client, stream in zip(clients, streams, strict=True):
    assert isinstance(client._transport, WebSocketTransport)
    selector.register(client._transport._socket, selectors.EVENT_READ, (client, stream))


waiting = set(streams)
"""those to whom nothing has come yet"""


def take(until: float) -> list[float]:
    """Milliseconds from each line to its reader, of all lines that arrive until then."""
    late: list[float] = []
    while (left := until - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            client, stream = key.data
            client.wait(stream, timeout=0)
            now = time.time()
            for item in stream.take():
                if item["type"] == "log":
                    waiting.discard(stream)
                    late.append((now - datetime.datetime.fromisoformat(item["at"]).timestamp()) * 1000)
    return late


patience = time.monotonic() + START_WITHIN
while waiting and time.monotonic() < patience:
    take(time.monotonic() + 0.2)
take(time.monotonic() + 1.0)  # what had piled up meanwhile
print("ready", flush=True)
began = time.monotonic()
arrived = sorted(take(began + float(seconds)))
took = time.monotonic() - began
p50, p99 = (arrived[int(len(arrived) * part)] if arrived else None for part in (0.5, 0.99))
print(
    json.dumps({"count": len(arrived), "lines_s": len(arrived) / took, "p50_ms": p50, "p99_ms": p99, "silent": len(waiting)}),
    flush=True,
)
