"""Command: what to execute, as a value; executing is somebody else's job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Command:
    """argv and what surrounds it.

    `env` is complete for a command that runs where the executor stands; after a layer that goes elsewhere it is the
    outer client's. `cwd` and `user` None mean "as the place does". `prologue` is written to stdin before all else.
    `size`: the rows and columns that its terminal begins with; None: as the place does.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    stdin: bool = False
    tty: bool = False
    prologue: bytes = b""
    user: str | None = None
    size: tuple[int, int] | None = None

    def __repr__(self) -> str:
        # Values of the environment and of later arguments may be secrets, and reprs end up in logs.
        program = self.argv[0] if self.argv else ""
        return f"Command({program!r} + {max(0, len(self.argv) - 1)} arguments, env={sorted(self.env)}, cwd={self.cwd!r})"
