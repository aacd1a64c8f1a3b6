"""Problem: one thing that is wrong in a configuration, with its place and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness_core.contracts.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """`kind` is stable (`config.unknown-key`); `path` is the key's path (`services.api.restart`); `source` the offending line."""

    kind: str
    message: str
    position: Position | None = None
    path: str = ""
    hint: str | None = None
    source: str | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = f"{self.position}: " if self.position else ""
        return f"{where}{self.severity}: {self.message}" + (f" ({self.hint})" if self.hint else "")

    def to_json(self) -> dict[str, Any]:
        """The problem as it stands on the wire."""
        return asdict(self)


class InvalidConfig(ConfigError):
    """The configuration has errors; all of them are in `problems`, in order of position."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        errors = [p for p in problems if p.severity == "error"]
        super().__init__(f"{len(errors)} problem{'s' if len(errors) != 1 else ''} in the configuration")
        self.problems = tuple(problems)


class ConfigNotFound(ConfigError):
    """There is no configuration here; the message says what was looked for and where."""

    kind = "config.not-found"
