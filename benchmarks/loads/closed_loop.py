"""A closed loop of requests: so many clients, each asking again as soon as it is answered; prints one JSON object."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

Ask = Callable[[], None]
"""Ask once, and fail unless the answer is right."""


def run(connect: Callable[[], Ask], *, clients: int, seconds: float) -> None:
    """Print requests a second and latencies of `clients` threads; `connect` gives each the function that asks once."""
    latencies: list[float] = []
    lock = threading.Lock()
    start = threading.Barrier(clients + 1)

    def client() -> None:
        ask = connect()
        ask()
        mine = []
        start.wait()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.perf_counter_ns()
            ask()
            mine.append((time.perf_counter_ns() - began) / 1000)
        with lock:
            latencies.extend(mine)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    latencies.sort()
    count = len(latencies)
    p50, p99 = latencies[count // 2], latencies[min(count - 1, int(count * 0.99))]
    print(json.dumps({"count": count, "requests_s": count / took, "p50_us": p50, "p99_us": p99}))
