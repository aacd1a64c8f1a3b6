"""Project: one set of services as the engine holds it."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness_core.config.model import ProjectConfig
from harness_core.contracts.errors import HarnessError
from harness_core.engine.supervisor import Supervisor
from harness_core.mask import masker
from harness_core.plan import Observed


class UnknownProject(HarnessError):
    """The daemon has no such project."""

    kind = "project.unknown"


class UnknownService(HarnessError):
    """The project has no such service; the hint suggests one."""

    kind = "service.unknown"


@dataclass(slots=True)
class Project:
    """A configuration, a supervisor for each of its services, and who is changing it now."""

    config: ProjectConfig
    supervisors: dict[str, Supervisor]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    acting: str | None = None
    """what holds the lock, for those who must queue: "apply asked by local" """
    preparing: asyncio.Task[None] | None = None
    """the part of a start that a stop may cut"""

    @property
    def id(self) -> str:
        """The project's identity."""
        return self.config.id

    @property
    def observed(self) -> dict[str, Observed]:
        """What is known of each service, for plans."""
        return {name: Observed(s.state, s.definition, s.wanted) for name, s in self.supervisors.items()}

    @property
    def masked(self) -> Callable[[Any], Any]:
        """Masks the secrets of all services in a JSON value."""
        return masker({secret for s in self.config.services.values() for secret in s.secrets})

    def select(self, names: Sequence[str] | None) -> list[Supervisor]:
        """The supervisors of these services, None: of all, by name; raises UnknownService naming every unknown one."""
        if names is None:
            return [self.supervisors[name] for name in sorted(self.supervisors)]
        unknown = [name for name in names if name not in self.supervisors]
        if unknown:
            raise UnknownService(_no_such(unknown, self.config.name), hint=_suggestion(unknown, self.supervisors))
        return [self.supervisors[name] for name in dict.fromkeys(names)]


def _no_such(unknown: Sequence[str], project: str) -> str:
    names = ", ".join(repr(name) for name in unknown)
    return f"project {project!r} has no service{'s' if len(unknown) > 1 else ''} {names}"


def _suggestion(unknown: Sequence[str], known: Iterable[str]) -> str:
    names = sorted(known)
    close = [match for name in unknown for match in difflib.get_close_matches(name, names, 1)]
    if close:
        return "did you mean " + ", ".join(repr(name) for name in dict.fromkeys(close)) + "?"
    return "its services: " + ", ".join(names[:20]) + (" …" if len(names) > 20 else "") if names else "it has no services"
