"""Answers of a daemon as views are shown with them: fixed values, some of them as nasty as they come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
LONG = "a-service-whose-name-is-as-long-as-names-may-be-63-characters-x"
WIDE = "数据库-データベース"


def at(clock: str) -> str:
    return f"2030-01-01T{clock}+00:00"


def exited(code: int | None = None, signal: str | None = None, reason: str | None = None) -> dict[str, Any]:
    return {"code": code, "signal": signal, "reason": reason, "at": at("11:59:50")}


def service(name: str, **fields: Any) -> dict[str, Any]:
    body = {
        "name": name, "type": "process", "state": "running", "health": "none", "pid": 4242, "run": "1a20a5c1e84-be37c3",
        "ref": "pid 4242", "started_at": at("11:56:48"), "restarts": 0, "exit": None, "reason": "", "endpoints": {},
        "containment": "cgroup", "oneshot": False, "wanted": True, "waiting_for": None, "description": "",
        "memory": 21_800_000, "cpu_seconds": 12.3, "processes": 2, "notes": [], "crash_safe": True, "dependencies": {},
    }  # fmt: skip
    return {**body, **fields}


def ended(name: str, **fields: Any) -> dict[str, Any]:
    nothing = {"pid": None, "run": None, "ref": None, "started_at": None, "memory": None, "cpu_seconds": None, "processes": None}
    return service(name, **{**nothing, "containment": None, **fields})


def status(name: str, *services: dict[str, Any]) -> dict[str, Any]:
    return {"project": f"{name}-12345678", "name": name, "path": "/srv/services.yaml", "degraded": None, "services": [*services]}


STATUS = status(
    "shop",
    service("api", health="healthy", restarts=2, endpoints={"http": "http://127.0.0.1:54321"}),
    service("db", type="container", health="healthy", endpoints={"main": "tcp://127.0.0.1:5432"}, memory=312_000_000),
    ended(
        "flaky", state="failed", exit=exited(1), restarts=5,
        reason="it was restarted 5 times within 1m; the last time it exited with code 1",
    ),
    ended("mailer", state="waiting", reason="waiting for cache to be healthy (starting)"),
    service("cache", state="starting", health="starting", restarts=0, started_at=at("11:59:58")),
    ended("prepare", state="completed", exit=exited(0), oneshot=True),
    service("worker", notes=["memory is not limited: no cgroup is delegated"], crash_safe=False, processes=9),
)  # fmt: skip

NASTY = status(
    "nasty",
    service(LONG, health="unhealthy", endpoints={"http": f"http://{'very-' * 20}long.example.org:54321/with/a/path"}),
    service(WIDE, health="healthy", reason="läuft 🚀 und 数据库 ist da", endpoints={"http": "http://127.0.0.1:80"}),
    ended("bäd", state="failed", exit=exited(signal="KILL", reason="oom"), reason="it said \x1b[31mred\x1b[0m,\tand\r\nrang \a"),
    ended("é", state="blocked", reason="e\u0301 is two characters in one column, 👩‍💻 is three in one sign"),
)

OUTCOME = {
    "reached": False,
    "timed_out": False,
    "services": [
        {
            "name": "db", "reached": True, "pending": False, "already": True, "state": "running", "reason": "", "exit": None,
            "last_lines": [], "endpoints": {"main": "tcp://127.0.0.1:5432"},
        },
        {
            "name": "migrate", "reached": False, "pending": False, "already": False, "state": "failed", "endpoints": {},
            "reason": "exited with code 2 before it was \x1b[1mhealthy\x1b[0m", "exit": exited(2),
            "last_lines": [
                "loading the settings",
                "Traceback (most recent call last):",
                '  File "/srv/shop/migrate.py", line 117, in <module>',
                "ModuleNotFoundError: No module named \x1b[31m'psycopg'\x1b[0m",
            ],
        },
        {
            "name": "api", "reached": False, "pending": True, "already": False, "state": "waiting", "endpoints": {}, "exit": None,
            "reason": "waiting for migrate to be completed (failed: exited with code 2 before it was healthy)", "last_lines": [],
        },
    ],
}  # fmt: skip

REACHED = {
    "reached": True,
    "timed_out": False,
    "services": [
        {"name": name, "reached": True, "pending": False, "already": False, "state": state, "reason": "", "exit": None,
         "last_lines": [], "endpoints": endpoints}
        for name, state, endpoints in (
            ("prepare", "completed", {}), ("api", "running", {"http": "http://127.0.0.1:54321"}), ("worker", "running", {}),
        )
    ],
}  # fmt: skip


def event(clock: str, service: str | None, kind: str, **fields: Any) -> dict[str, Any]:
    return {"at": at(clock), "project": "shop-1", "service": service, "run": "r", "seq": 1, "kind": kind, **fields}


EVENTS = [
    event("11:56:40", None, "applied", by="ann", added=["api", "db", "flaky", "mailer"], changed=[], removed=[]),
    event("11:56:41", "db", "state", old="stopped", new="starting", reason=""),
    event("11:56:41", "api", "state", old="stopped", new="waiting", reason="waiting for db to be healthy (starting)"),
    event("11:56:42", "db", "started", ref="container 3f1c", recovered=False),
    event("11:56:43", "db", "health", old="none", new="starting", detail=""),
    event("11:56:44", "db", "health", old="starting", new="healthy", detail="accepts connections"),
    event("11:56:48", "api", "state", old="starting", new="running", reason=""),
    event("11:56:48", "api", "endpoints", endpoints={"http": "http://127.0.0.1:54321"}),
    event("11:58:02", "flaky", "exited", exit=exited(1), intended=False),
    event("11:58:02", "flaky", "restart-scheduled", delay=0.5, attempt=5, reason="exited with code 1"),
    event("11:59:00", "flaky", "state", old="backoff", new="failed", reason="it was restarted 5 times within 1m"),
    event("11:59:30", "mailer", "stop-requested", by="ann", signal="TERM", grace=10.0),
    event("11:59:40", "mailer", "killed", reason="it had not ended within 10s", survivors=["pid 77", "pid 78"]),
    event("11:59:50", WIDE, "note", detail="läuft 🚀 \x1b[2J"),
]

WHY = {
    "service": "flaky",
    "state": "failed",
    "summary": "flaky was restarted 5 times within 1m and is not restarted any more; the last time it exited with code 1",
    "causes": [
        {"at": at("11:57:00"), "text": "exited with code 1"},
        {"at": at("11:57:01"), "text": "restart 4 in 4 s"},
        {"at": None, "text": "last asked by ann"},
    ],
    "probes": [
        {"at": at("11:57:50"), "healthy": True, "detail": "status 200"},
        {"at": at("11:57:55"), "healthy": False, "detail": "connection refused by 127.0.0.1:54322"},
    ],
    "events": [
        event("11:58:01", "flaky", "state", old="starting", new="running", reason=""),
        event("11:58:02", "flaky", "exited", exit=exited(1), intended=False),
        event("11:58:02", "flaky", "state", old="running", new="failed", reason="it was restarted 5 times within 1m"),
    ],
    "exit": exited(1),
    "last_lines": ["attempt 5: the cache is cold, giving up", "\tbye \x1b[31mnow\x1b[0m"],
}

PLAN = {
    "project": "shop-1", "name": "shop", "changes": True, "problems": [],
    "steps": [
        {"service": "cache", "action": "start", "reason": "new in the configuration"},
        {"service": "api", "action": "restart", "reason": "env changed: LOG_LEVEL, TIMEOUT; command changed"},
        {"service": "worker", "action": "restart", "reason": "it refers to api, whose address changes"},
        {"service": "old", "action": "remove", "reason": "not in the configuration any more"},
        {"service": "db", "action": "keep", "reason": ""},
    ],
}  # fmt: skip

HEALTH = {
    "services": [
        {"name": "api", "check": "http", "healthy": True, "detail": "status 200", "seconds": 0.012},
        {"name": "db", "check": "tcp", "healthy": False, "detail": "connection refused by 127.0.0.1:5432", "seconds": 1.2},
        {"name": "worker", "check": None, "healthy": None, "detail": "it has no health check", "seconds": None},
    ]
}

PLUGINS = {
    "plugins": [
        {
            "distribution": "harness-plugin-health", "version": "0.1.0", "entry_point": "health", "warnings": [],
            "offers": [
                {"kind": "health_check", "name": name} for name in ("command", "http", "tcp", "log")
            ],
        },
        {
            "distribution": "harness-plugin-process", "version": "0.1.0", "entry_point": "process", "warnings": [],
            "offers": [{"kind": "executor", "name": "process"}],
        },
    ],
    "broken": [
        {
            "distribution": "harness-plugin-podman", "version": "3.0", "entry_point": "podman", "names": ["podman"],
            "kind": "executor", "cause": "ImportError: cannot import name 'Launcher' from 'harness_core.contracts.launcher'",
        }
    ],
    "disabled": [{"distribution": "harness-plugin-consul", "version": "0.3", "entry_point": "consul"}],
}  # fmt: skip

DAEMON = {
    "pid": 4100, "version": "0.1.0", "api": 1, "protocol": 1, "address": "127.0.0.1:36163", "started_at": at("07:55:00"),
    "epoch": "e1", "prefix": "/srv/venv", "state_dir": "/home/ann/.local/state/harness", "degraded": None, "projects": 2,
    "clients": 1, "keeper": {"pid": 4101},
    "plugins": [
        {"distribution": "harness-plugin-process", "version": "0.1.0"},
        {"distribution": "harness-plugin-health", "version": "0.1.0"},
    ],
}  # fmt: skip

PROBLEMS = [
    {
        "kind": "config.unknown-key", "message": "unknown key 'comand' in service 'api'", "path": "services.api.comand",
        "hint": "did you mean 'command'?", "position": {"file": "/srv/shop/services.yaml", "line": 9, "column": 5},
        "source": "    comand: [python3, -u, api.py, data/shop.db]", "severity": "error",
    },
    {
        "kind": "config.cycle", "message": "these services wait for each other: api → worker → api", "path": "services.worker",
        "hint": "take one of the dependencies away", "severity": "error",
        "position": {"file": "/srv/shop/services.yaml", "line": 21, "column": 20}, "source": "\tdependencies: { api: healthy }",
    },
    {
        "kind": "config.unset", "message": "variable 'SHOP_KEY' is not set", "path": "services.api.env.KEY", "hint": None,
        "position": None, "source": None, "severity": "warning",
    },
]  # fmt: skip


def log(service: str, text: str, clock: str = "11:59:58", **fields: Any) -> dict[str, Any]:
    body = {"type": "log", "service": service, "run": "r", "at": at(clock), "stream": "out", "end": True, "cursor": "c"}
    return {**body, "text": text, **fields}


LOGS = [
    log("api", "listening on port 54321"),
    log("worker", "turn 1: 16 pieces of apple, pear, plum"),
    log("db", "läuft 🚀 und 数据库"),
    log("api", "\x1b[31mred\x1b[0m and \x1b[2Jaway\r"),
    log("mailer", "\ta tab, then half a line", end=False),
]
