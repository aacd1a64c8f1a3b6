"""Profiles from the command line to the daemon and back, over its restart."""

from __future__ import annotations

import json
import os
import signal

import pytest

CONFIG = """\
name: shop
services:
  api: { type: process, command: [sleep, "1000"] }
  trace: { type: process, command: [sleep, "1000"], profiles: [debug], dependencies: [seed] }
  seed: { type: process, command: [sleep, "1000"], profiles: [seed] }
"""


@pytest.fixture
def shop(harness):
    harness.write(CONFIG)
    return harness


def running(harness) -> list[str]:
    answer = harness.run("status", "--json")  # it may not know the project yet
    services = answer.json["services"] if answer.code == 0 else []
    return sorted(service["name"] for service in services if service["state"] == "running")


def test_what_is_off_is_not_started_not_shown_and_starts_when_it_is_named(shop):
    shop.ok("up", "-d")
    assert list(shop.status()) == ["api"]
    assert shop.ok("plan", "--json").json["off"] == ["seed", "trace"]
    assert "trace was not started: it runs when it is named, or its profile is (debug)" in shop.ok("why", "trace").out

    shop.ok("start", "trace")
    assert running(shop) == ["api", "seed", "trace"]

    shop.ok("stop")
    assert shop.strays() == []
    assert list(shop.status()) == ["api"]


def test_the_profiles_of_an_apply_are_remembered_over_a_kill_of_the_daemon(shop):
    shop.ok("up", "-d", "--profile", "seed", "--profile", "debug")
    pids = {name: service["pid"] for name, service in shop.status().items()}
    os.kill(shop.daemon_pid, signal.SIGKILL)

    assert {name: service["pid"] for name, service in shop.status().items()} == pids
    shop.ok("stop")
    shop.ok("start")
    assert running(shop) == ["api", "seed", "trace"]


def test_what_runs_goes_on_when_a_later_apply_does_not_name_its_profile(shop):
    shop.ok("up", "-d", "--profile", "seed")
    before = shop.service("seed")["pid"]

    shop.ok("apply")
    assert shop.service("seed")["pid"] == before
    shop.ok("restart")
    assert shop.service("seed")["pid"] not in (None, before)

    shop.ok("stop", "seed")
    shop.ok("start")
    assert running(shop) == ["api"]


def test_a_start_can_name_more_profiles(shop):
    shop.ok("up", "-d")

    shop.ok("start", "--profile", "seed")

    assert running(shop) == ["api", "seed"]
    refused = shop.run("start", "--profile", "sede", "--json")
    assert (refused.code, refused.json["error"]["kind"]) == (3, "config.unknown-profile")
    assert refused.json["error"]["hint"] == "did you mean 'seed'?"


def test_profiles_may_come_from_the_environment_and_the_option_wins(shop):
    def off(*arguments: str, profiles: str) -> list[str]:
        answer = shop.run("plan", "--json", *arguments, env={"HARNESS_PROFILES": profiles})
        assert answer.code == 0, answer.text
        return list(json.loads(answer.out)["off"])

    assert off(profiles="debug, seed") == []
    assert off(profiles="") == ["seed", "trace"]
    assert off("--profile", "seed", profiles="debug,seed") == ["trace"]


def test_mistakes_are_told_with_what_to_do(shop):
    unknown = shop.run("up", "-d", "--profile", "debgu")
    assert unknown.code == 3
    assert "no service has the profile 'debgu'" in unknown.err
    assert "did you mean 'debug'?" in unknown.err

    off = shop.run("validate", "--profile", "debug")
    assert off.code == 3
    assert "services.yaml:4:87: error: 'trace' depends on 'seed', which runs only with the profile seed" in off.out
    assert "--profile seed" in off.out


def test_up_in_the_foreground_shows_what_it_starts_and_nothing_that_is_off(shop, eventually):
    with shop.start("up", "--profile", "seed") as up:
        eventually(lambda: running(shop) == ["api", "seed"], within=30)
        up.send_signal(signal.SIGINT)
        out, err = up.communicate(timeout=30)

    assert b"trace" not in out + err
    assert up.returncode == 130
