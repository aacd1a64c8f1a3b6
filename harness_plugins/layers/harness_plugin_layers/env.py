"""The layer that changes the environment of what is inside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness_core.contracts.command import Command
from harness_core.contracts.layer import Layer


class EnvLayer(Layer):
    """Sets and removes variables in `Command.env`, at any depth of a chain.

    An `env NAME=value …` argv would work too, but it shows secrets to everybody who runs `ps`. Whatever stands further
    out has to carry `Command.env` across anyway, so changing the value is enough.
    """

    passes = frozenset({"stdin", "tty", "signals"})

    def wrap(self, command: Command, config: Any) -> Command:
        """The command with another environment."""
        env = {} if config.get("clear", False) else dict(command.env)
        for name in config.get("unset", ()):
            env.pop(name, None)
        env.update({name: str(value) for name, value in _additions(config).items()})
        return replace(command, env=env)

    def describe(self, config: Any) -> str:
        """Names only: values may be secrets."""
        parts = ["nothing but its own variables"] if config.get("clear", False) else []
        if additions := _additions(config):
            parts.append("with " + ", ".join(sorted(additions)))
        if config.get("unset"):
            parts.append("without " + ", ".join(config["unset"]))
        return "; ".join(parts) or "same environment"


def _additions(config: Mapping[str, Any]) -> Mapping[str, Any]:
    additions: Mapping[str, Any] = config.get("set", {})
    return additions
