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

state, project, name, followers, seconds = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
request = ReadLogs(project=project, services=(name,), tail=0, follow=True)
clients = [connect(Path(state), start=False) for _ in range(int(followers))]
streams = [client.stream(request) for client in clients]

selector = selectors.DefaultSelector()
for client, stream in zip(clients, streams, strict=True):
    assert isinstance(client._transport, WebSocketTransport)
    selector.register(client._transport._socket, selectors.EVENT_READ, (client, stream))


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
                    late.append((now - datetime.datetime.fromisoformat(item["at"]).timestamp()) * 1000)
    return late


take(time.monotonic() + 1.0)  # all are connected and have caught up
print("ready", flush=True)
began = time.monotonic()
arrived = sorted(take(began + float(seconds)))
took = time.monotonic() - began
p50, p99 = arrived[len(arrived) // 2], arrived[int(len(arrived) * 0.99)]
print(json.dumps({"count": len(arrived), "lines_s": len(arrived) / took, "p50_ms": p50, "p99_ms": p99}), flush=True)
