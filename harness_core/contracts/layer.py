"""Layer: turns a command into another command that runs it somewhere else or otherwise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from harness_core.contracts.command import Command
from harness_core.contracts.place import Place


class Layer(ABC):
    """Pure and stackable. Config lists layers outermost first; they are applied from the last to the first."""

    passes: frozenset[str] = frozenset()
    """What reaches the inner command through this layer: of {"stdin", "tty", "signals"}."""

    def place(self, outer: Place, config: Any) -> Place:
        """Where the inner command stands, given where the outer one does. Default: the same place."""
        return outer

    @abstractmethod
    def wrap(self, command: Command, config: Any) -> Command:
        """The outer command. Carries env, cwd, stdin and tty across; quotes exactly once. Pure."""

    @abstractmethod
    def describe(self, config: Any) -> str:
        """A few words for people: "as root", "on box"."""
