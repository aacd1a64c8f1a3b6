"""`up -d` waits: it ends as soon as all is reached, or as soon as that has become impossible, and says why."""

from __future__ import annotations

import time

FAILING = """\
version: "1.0"
name: failing
services:
  migrate:
    type: process
    command: [sh, -c, "echo connecting; echo no such table: users >&2; exit 9"]
    oneshot: true
  api:
    type: process
    command: [sleep, "1000"]
    dependencies: { migrate: completed }
"""

SLOW = """\
version: "1.0"
name: slow
services:
  db:
    type: process
    command: [sleep, "1000"]
    health_check: { command: "test -e ready", interval: 100ms, start_period: 60s }
  api:
    type: process
    command: [sleep, "1000"]
    dependencies: { db: healthy }
"""


def test_a_failed_dependency_ends_the_wait_at_once_with_the_cause(harness):
    harness.write(FAILING)

    result = harness.run("up", "-d")

    assert result.code == 1
    assert "no such table: users" in result.text
    assert "9" in result.text
    services = harness.status()
    assert services["migrate"]["state"] == "failed"
    assert services["api"]["state"] == "blocked"
    assert services["api"]["pid"] is None
    assert "migrate" in harness.ok("why", "api").out


def test_an_exhausted_timeout_is_another_exit_code_and_names_what_was_awaited(harness):
    harness.write(SLOW)

    began = time.monotonic()
    result = harness.run("up", "-d", "--timeout", "1s")

    assert result.code == 5
    assert time.monotonic() - began < 10
    assert "db" in result.text
    assert harness.service("api")["state"] == "waiting"


def test_what_becomes_healthy_later_lets_dependents_start(harness):
    harness.write(SLOW)
    harness.run("up", "-d", "--no-wait")
    harness.reaches("api", "waiting")

    harness.write("", "ready")

    harness.reaches("api", "running")
    assert harness.service("db")["health"] == "healthy"


def test_a_stop_returns_while_a_service_waits_for_a_dependency(harness):
    harness.write(SLOW)
    harness.run("up", "-d", "--no-wait")
    harness.reaches("api", "waiting")

    began = time.monotonic()
    harness.ok("stop")

    assert time.monotonic() - began < 10
    assert {service["state"] for service in harness.status().values()} == {"stopped"}
    assert not harness.strays()
