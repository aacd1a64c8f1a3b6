"""Reasons: what the time, or the memory, of a row goes into. RESULTS.md tells them where a limit does not hold."""

from __future__ import annotations

from collections.abc import Mapping

_STOP = (
    "A stop is recorded before the signal, and the tree is looked at until nothing of it is left; the floor sends a signal and "
    "that is all."
)
_CAPTURE = "Output is read and written by Python, with an index of times and with rotation, which the peers had off."
_WIRE = "TLS 1.3, WebSocket and JSON-RPC on both sides, in Python; the peers speak on a plain unix socket."
_FOLLOWERS = (
    "Each follower is served by itself: its own reading, its own JSON, its own TLS records. What a line costs the daemon stands "
    "under Scale; it has one core."
)

REASONS: Mapping[str, str] = {
    "up, N = 100, daemon already there": (
        "Each start is checked, planned, written to the registry and told as events; the spawning alone is the floor's."
    ),
    "up, N = 100, cold": (
        "Three interpreters start one after the other: the command, the daemon with asyncio, TLS and the plugins, the keeper."
    ),
    "up, N = 500, cold": "As with 100; besides, each start is checked, planned, written to the registry and told as events.",
    "up, 3 × 10 chain, each level waits for readiness": (
        "Readiness is told by a line of output, which goes through the log to a health check; systemd gets a message on a socket."
    ),
    "down, N = 100": _STOP,
    "down, N = 500": _STOP,
    "memory of all own processes, N = 100": (
        "Two interpreters instead of one, since services survive a kill -9 of the daemon only under another process; the daemon "
        "holds asyncio, TLS, SQLite and the plugins."
    ),
    "memory per further service": (
        "Of each service the daemon holds the configuration, a task and what happened; the keeper a log and its pipes."
    ),
    "restart after kill -9, p50": (
        "The exit goes from the keeper to the daemon, which decides, and back; the floor decides where it reaps."
    ),
    "restart after kill -9, p99": (
        "The exit goes from the keeper to the daemon and back, and a commit of the registry may come between."
    ),
    "log, 64 KiB writes, our CPU": _CAPTURE,
    "log, 64 KiB writes": _CAPTURE,
    "log, a write per line": "Each wake-up for a few lines is a turn of a Python loop. " + _CAPTURE,
    "`status`, whole process": (
        "The imports below, and a handshake with certificates on both sides; supervisorctl speaks plain HTTP on a unix socket."
    ),
    "`--help`, whole process": "The imports below: click, and what formats the help.",
    "status by API, 1 client, p50": _WIRE,
    "status by API, 1 client": _WIRE,
    "status by API, 16 clients": _WIRE + " The clients are threads of one process, as with the peers.",
    "200 followers of a log, lines delivered": _FOLLOWERS,
    "200 followers, from line to reader, p99": _FOLLOWERS,
}
