"""`harness schema` in an editor: completion, errors and explanations by the YAML language server that editors run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness_core.config.core_keys import COMMAND, SERVICE
from harness_core.config.schema import merged_schema
from harness_core.plugins import discover

ROOT = Path(__file__).parents[2]

SERVICE_START = "services:\n  api:\n    type: process\n    command: ./api\n"


def test_a_file_that_is_right_is_not_underlined(editor: Any) -> None:
    text = (ROOT / "examples" / "quickstart" / "services.yaml").read_text()

    assert editor.wrong(text) == []


def test_a_service_is_offered_cores_keys_and_its_plugins_own_and_no_other_plugins(editor: Any) -> None:
    offered = set(editor.offers(SERVICE_START + "    |\n"))

    assert offered == ({*SERVICE, *COMMAND} | {"user"}) - {"type", "command"}


def test_another_type_is_offered_its_own_keys(editor: Any) -> None:
    offered = set(editor.offers("services:\n  api:\n    type: process-attach\n    |\n"))

    assert {"pid", "pidfile", "process_name", "cmdline"} <= offered
    assert not {"command", "binary", "user"} & offered


def test_values_are_offered(editor: Any) -> None:
    assert set(editor.offers("services:\n  api:\n    type: |\n")) >= {"process", "process-attach"}
    assert set(editor.offers(SERVICE_START + "    restart: |\n")) == {'"no"', "on-failure", "always", "unless-stopped"}
    assert {"policy", "backoff"} <= set(editor.offers(SERVICE_START + "    restart:\n      |\n"))
    assert {"http", "tcp", "command", "log", "interval"} <= set(editor.offers(SERVICE_START + "    health_check:\n      |\n"))
    assert {"user", "group"} <= set(editor.offers(SERVICE_START + "    layers:\n      - type: sudo\n        |\n"))
    assert {"services", "include", "networks"} <= set(editor.offers("|\n"))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("services:\n  api:\n    type: process\n    comand: ./api\n", 5, "Property comand is not allowed."),
        ("servces: {}\nservices: {}\n", 2, "Property servces is not allowed."),
        (
            "services:\n  api:\n    type: proces\n    command: ./api\n    oneshot: true\n",
            4,
            'Value is not accepted. Valid values: "process", "process-attach".',
        ),
        ("services:\n  api:\n    command: ./api\n", 3, 'Missing property "type".'),
        (SERVICE_START + "    oneshot: maybe\n", 6, 'Incorrect type. Expected "boolean".'),
        (SERVICE_START + "    restart: { polcy: always }\n", 6, "Property polcy is not allowed."),
        (
            SERVICE_START + "    restart: sometimes\n",
            6,
            'Value is not accepted. Valid values: "no", "on-failure", "always", "unless-stopped".',
        ),
        (
            SERVICE_START + "    startup_timeout: 3 weeks\n",
            6,
            "Write 500ms, 2s, 1m30s, 2h, or a number of seconds.",
        ),
        (SERVICE_START + "    limits: { memory: lots }\n", 6, "Write 64MiB, 1GB, or a number of bytes."),
        (SERVICE_START + "    health_check: { tcp: 80, intervl: 3s }\n", 6, "Property intervl is not allowed."),
        (SERVICE_START + "    layers:\n      - type: sudo\n        usr: root\n", 8, "Property usr is not allowed."),
    ],
    ids=lambda value: value.strip().splitlines()[-1].strip() if isinstance(value, str) else "",
)
def test_one_mistake_is_one_message_at_its_line(editor: Any, text: str, line: int, message: str) -> None:
    assert editor.wrong(text) == [(line, message)]


def test_keys_are_explained(editor: Any) -> None:
    def plain(text: str) -> str:
        return editor.explains(text).replace("\\", "")

    assert SERVICE["oneshot"]["description"] in plain(SERVICE_START + "    ones|hot: true\n")
    assert COMMAND["command"]["description"] in plain("services:\n  api:\n    type: process\n    comm|and: ./api\n")
    assert SERVICE["startup_timeout"]["description"] in plain(SERVICE_START + "    startup_ti|meout: 3s\n")
    assert SERVICE["env"]["description"] in plain(SERVICE_START + "    en|v: { A: 1 }\n")
    assert "Who the process runs as" in plain(SERVICE_START + "    us|er: root\n")
    assert "host:port" in plain(SERVICE_START + "    health_check: { tc|p: 80 }\n")


def test_what_is_offered_says_what_it_is_for(editor: Any) -> None:
    offered = editor.offers(SERVICE_START + "    |\n")

    assert offered["oneshot"]["textEdit"]["newText"].startswith("oneshot:")
    silent = [key for key, item in offered.items() if not item.get("documentation")]
    assert not silent


def test_the_schema_that_is_printed_is_the_merged_one() -> None:
    printed = subprocess.run([sys.executable, "-m", "harness_core", "schema"], capture_output=True, check=True, timeout=60)

    assert json.loads(printed.stdout) == merged_schema(discover())
