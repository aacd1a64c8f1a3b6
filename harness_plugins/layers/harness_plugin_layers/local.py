"""The layer that changes nothing: a chain may say explicitly that a command runs here."""

from __future__ import annotations

from typing import Any

from harness_core.contracts.command import Command
from harness_core.contracts.layer import Layer


class LocalLayer(Layer):
    """Runs the command as it is, with its own environment and working directory."""

    passes = frozenset({"stdin", "tty", "signals"})

    def wrap(self, command: Command, config: Any) -> Command:
        """The same command."""
        return command

    def describe(self, config: Any) -> str:
        """A few words for people."""
        return "here"
