"""The spec as the keeper stores it beside a run, so that an empty database can still adopt."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import asdict
from typing import Any

from harness_core.contracts.run import LaunchSpec


def as_json(spec: LaunchSpec) -> dict[str, Any]:
    """Every field of the spec as JSON; a value that contains a secret is blank, as in what core stores."""
    command = spec.command
    body = {
        "project": spec.project,
        "service": spec.service,
        "run": spec.run,
        "config": spec.config,
        "command": command
        and {
            "argv": command.argv,
            "env": command.env,
            "cwd": command.cwd,
            "stdin": command.stdin,
            "tty": command.tty,
            "prologue": "",
            "user": command.user,
        },
        "env": spec.env,
        "ports": [asdict(port) for port in spec.ports],
        "limits": asdict(spec.limits),
        "labels": spec.labels,
        "base_dir": spec.base_dir,
        "logs": asdict(spec.logs),
        "secrets": [],
    }
    blanked: dict[str, Any] = _blank(body, spec.secrets)
    return blanked


def _blank(value: Any, hidden: Set[str]) -> Any:
    if isinstance(value, str):
        return "" if any(secret and secret in value for secret in hidden) else value
    if isinstance(value, Mapping):
        return {key: _blank(item, hidden) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_blank(item, hidden) for item in value]
    return value
