"""Settings: what `daemon.yaml` says about the daemon itself."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness_core.config.durations import parse_duration
from harness_core.config.load import load
from harness_core.config.nodes import Items, Node, Pairs, Scalar, natural, position
from harness_core.config.problem import InvalidConfig, Problem
from harness_core.contracts.errors import ConfigError

KEYS = {
    "registry": "where harness remembers what runs: `type` (default `sqlite`) and that registry backend's own keys",
    "listen": "HOST:PORT to listen on; default: 127.0.0.1 and a free port",
    "idle_timeout": "how long a daemon that was started on demand stays without anything to do; default 60s",
}
"""The keys of daemon.yaml."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`registry` holds the backend's own keys; `listen` is (host, port), port 0 a free one."""

    registry_type: str = "sqlite"
    registry: Mapping[str, Any] = field(default_factory=dict)
    listen: tuple[str, int] = ("127.0.0.1", 0)
    idle_timeout: float = 60.0


def read(path: Path) -> Settings:
    """The settings in a file; the defaults where there is none. Raises InvalidConfig with every problem."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"cannot read {path}: {e}", hint="make it a readable UTF-8 file, or remove it") from e
    root, problems = load(text, file=str(path))
    if any(problem.severity == "error" for problem in problems):
        raise InvalidConfig(problems)
    return _settings(root, problems) if root is not None else Settings()


def parse_listen(text: str) -> tuple[str, int]:
    """(host, port) of `HOST:PORT`; raises ValueError with a sentence."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"expected HOST:PORT, such as 127.0.0.1:7070 or [::1]:7070, found {text!r}")
    return host.strip("[]"), int(port)


def _settings(root: Pairs, problems: list[Problem]) -> Settings:
    values: dict[str, Any] = {}
    for key, (written, node) in root.pairs.items():
        try:
            if key == "registry":
                values |= _registry(node)
            elif key == "listen":
                values["listen"] = parse_listen(_text(node))
            elif key == "idle_timeout":
                values["idle_timeout"] = parse_duration(_text(node))
            elif not key.startswith("x-"):
                close = difflib.get_close_matches(key, KEYS, n=1)
                hint = f"did you mean '{close[0]}'?" if close else f"its keys are: {', '.join(KEYS)}"
                message = f"unknown key '{key}' in {position(written)}"
                problems.append(Problem("config.unknown-key", message, position(written), key, hint))
        except ValueError as e:
            problems.append(Problem("config.invalid-value", f"{key}: {e}", position(node), key))
    if any(problem.severity == "error" for problem in problems):
        raise InvalidConfig(problems)
    return Settings(**values)


def _registry(node: Node) -> dict[str, Any]:
    if not isinstance(node, Pairs):
        raise ValueError("expected a mapping with a `type`, such as { type: sqlite }")
    own = {key: _plain(value) for key, (_, value) in node.pairs.items()}
    kind = own.pop("type", "sqlite")
    if not isinstance(kind, str):
        raise ValueError(f"the type is a name, such as sqlite, not {kind!r}")
    return {"registry_type": kind, "registry": own}


def _text(node: Node) -> str:
    if not isinstance(node, Scalar):
        raise ValueError("expected a single value")
    return node.text


def _plain(node: Node) -> Any:
    if isinstance(node, Pairs):
        return {key: _plain(value) for key, (_, value) in node.pairs.items()}
    if isinstance(node, Items):
        return [_plain(item) for item in node.items]
    return natural(node)
