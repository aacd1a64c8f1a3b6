"""docs/operations.md says what is: every file that a life leaves in the state directory, every bound as the code has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness_core import protocol, summon
from harness_core.config import document, load
from harness_core.daemon import log, server
from harness_core.engine import store

TEXT = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()
LIMITS = TEXT.partition("## Limits")[2].partition("\n## ")[0]
MIB = 1024 * 1024

BOUNDS = {
    "a configuration file": (f"{load.MAX_BYTES // MIB} MiB", f"{load.MAX_WRITTEN:,} values", f"{load.MAX_DEPTH} deep",
                             f"add {load.MAX_EXPANDED:,}"),
    "files of one configuration": (str(document.MAX_FILES),),
    "connections to the daemon": (f"{server.MAX_CONNECTIONS:,}", str(server.MAX_GREETING)),
    "a connection": (str(protocol.MAX_IN_FLIGHT), str(protocol.MAX_STREAMS), str(protocol.MAX_EXECS)),
    "a request": (f"{protocol.MAX_FRAME // MIB} MiB", f"{protocol.MAX_REPLY // MIB} MiB"),
    "input to a service": (f"{protocol.MAX_WRITE // 1024} KiB",),
    "events that are remembered": (f"{store.KEEP_EVENTS:,}",),
    "events that wait": (f"{store.PENDING_LIMIT:,}",),
    "the daemon's own log": (f"{log.SIZE // MIB} MiB", {3: "three"}[log.KEEP]),
    "starting a daemon": (f"{summon.START_TIMEOUT:g} s",),
}  # fmt: skip


@pytest.mark.parametrize("what", BOUNDS)
def test_a_bound_is_told_as_it_is(what):
    rows = re.findall(rf"^\| {re.escape(what)}[^|]*\| (.*) \|$", LIMITS, re.MULTILINE)

    assert len(rows) == 1
    assert all(value in rows[0] for value in BOUNDS[what])


def test_every_file_of_the_state_directory_is_told(harness):
    harness.write('version: "1.0"\nname: shop\nservices:\n  a: { type: process, command: [sleep, "1000"] }\n')
    harness.ok("up", "-d")

    found = {path.name for folder in (".", "trust") for path in (harness.state_dir / folder).iterdir()}

    told = {"client.pem", "ca.pem", "ca-key.pem", "clients.json", "server.pem"}  # all of them "the certificates"
    assert not {name for name in found - told if name not in TEXT}


def test_every_exit_code_is_told():
    section = TEXT.partition("## Exit codes")[2].partition("\n## ")[0]
    table = (Path(__file__).parents[1] / "docs" / "cli.md").read_text()

    for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE):
        assert re.search(rf"\b{code} [a-z]", section), f"{code} is not told"
