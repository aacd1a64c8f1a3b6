"""`examples/old-style`: a file in the older vocabulary runs as it is, and means what today's words mean."""

from __future__ import annotations

import shutil
import socket
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import yaml

EXAMPLE = Path(__file__).parents[2] / "examples" / "old-style"


def put_into(folder: Path) -> tuple[int, int]:
    """Copy the example, its two fixed ports replaced by free ones, so that tests can run beside each other."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(2)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        store, api = (probe.getsockname()[1] for probe in probes)
    text = (folder / "services.yaml").read_text()
    (folder / "services.yaml").write_text(text.replace("7379", str(store)).replace("7380", str(api)))
    return store, api


def test_it_runs_and_goes_away(harness, eventually):
    store, api = put_into(harness.project)

    assert harness.ok("validate").out == ""
    harness.ok("up", "-d")

    services = harness.status()
    assert {name: (s["state"], s["health"]) for name, s in services.items()} == {
        "store": ("running", "healthy"), "api": ("running", "healthy"), "worker": ("running", "healthy"),
    }  # fmt: skip
    assert services["store"]["endpoints"]["default"].endswith(f":{store}")
    assert harness.lines("store")[0] == "old and good: at most 100 words"

    def count() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{api}/count", timeout=10) as answer:
            return int(answer.read() or 0)

    first = count()
    eventually(lambda: count() > first, within=30, what="the worker counts on")
    harness.ok("down")
    assert harness.strays() == []
    assert not (harness.project / "beat").exists(), "it was asked by TERM, and had the time to tidy up"


def test_its_words_mean_what_todays_mean(harness):
    put_into(harness.project)

    shown = yaml.safe_load(harness.ok("config").out)

    store, worker = shown["services"]["store"], shown["services"]["worker"]
    assert (store["health_check"]["interval"], store["health_check"]["timeout"], store["stop"]["timeout"]) == ("1s", "5s", "5s")
    assert store["env"] == {"STORE_NAME": "old and good", "STORE_LIMIT": "100"}
    assert store["startup_timeout"] == "30s"
    assert worker["dependencies"] == {"store": "healthy", "api": "healthy"}
    assert worker["stop"]["timeout"] == "3s"
    assert {name: network["type"] for name, network in shown["networks"].items()} == {
        "home": "local", "lab": "lan", "tunnel": "wireguard",
    }  # fmt: skip
