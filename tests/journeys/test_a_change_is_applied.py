"""A person edits services.yaml and applies it: exactly what changed restarts, with the new values and nothing of the old."""

from __future__ import annotations

import pytest

CONFIG = """\
version: "1.0"
name: shop
services:
  steady:
    type: process
    command: [sleep, "1000"]
    env: { COLOUR: red, SIZE: big }
    description: never touched
  edited:
    type: process
    command: [sh, -c, "echo colour=$COLOUR size=$SIZE extra=$EXTRA; exec sleep 1000"]
    env: { COLOUR: "${COLOUR:-red}", SIZE: big, EXTRA: "yes" }
  dropped:
    type: process
    command: [sleep, "1000"]
"""


@pytest.fixture
def shop(harness):
    harness.write(CONFIG)
    harness.ok("up", "-d")
    return harness


def test_only_what_changed_restarts_with_the_new_environment(shop):
    before = shop.status()
    shop.write(CONFIG.replace(', EXTRA: "yes" }', " }").replace("${COLOUR:-red}", "blue"))

    plan = {step["service"]: step["action"] for step in shop.ok("plan", "--json").json["steps"]}
    shop.ok("apply")

    after = shop.status()
    assert plan["edited"] == "restart"
    assert plan["steady"] == "keep"
    assert after["steady"]["pid"] == before["steady"]["pid"]
    assert after["edited"]["pid"] != before["edited"]["pid"]
    assert shop.lines("edited") == ["colour=red size=big extra=yes", "colour=blue size=big extra="]


def test_a_variable_of_the_shell_counts_when_it_changes(shop):
    before = shop.status()
    shop.env["COLOUR"] = "green"

    shop.ok("up", "-d")

    assert shop.lines("edited")[-1] == "colour=green size=big extra=yes"
    assert shop.service("steady")["pid"] == before["steady"]["pid"]


def test_the_order_of_keys_and_the_description_restart_nothing(shop):
    before = shop.status()
    shop.write(CONFIG.replace("{ COLOUR: red, SIZE: big }", "{ SIZE: big, COLOUR: red }").replace("never touched", "touched"))

    shop.ok("apply")

    assert {name: s["pid"] for name, s in shop.status().items()} == {name: s["pid"] for name, s in before.items()}


def test_a_removed_service_is_stopped_and_gone(shop):
    pid = shop.service("dropped")["pid"]
    shop.write(CONFIG[: CONFIG.index("  dropped:")])

    shop.ok("apply")

    assert "dropped" not in shop.status()
    assert pid not in shop.processes()


def test_a_broken_file_changes_nothing(shop):
    before = shop.status()
    shop.write(CONFIG.replace("type: process", "type: [", 1))

    result = shop.run("apply")

    assert result.code == 3
    assert "services.yaml:" in result.text
    assert {name: s["pid"] for name, s in shop.status().items()} == {name: s["pid"] for name, s in before.items()}
