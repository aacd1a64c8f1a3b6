"""Handover: a daemon that becomes another installation's: the same process, lock and address, so that nobody comes between."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from harness_core.contracts.errors import HarnessError
from harness_core.installation import Installation

HANDOVERS = (1,)
"""The versions of `Inherited` that this code understands; it writes the last one."""


class HandoverFailed(HarnessError):
    """The system did not run the new daemon's interpreter."""

    kind = "upgrade.failed"


@dataclass(frozen=True, slots=True)
class Inherited:
    """What the new code finds open: the lock, and the listening socket that was made for `listen` (host, port)."""

    lock: int
    listener: int
    listen: tuple[str, int]

    def to_text(self) -> str:
        """As it stands on the new daemon's command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Inherited:
        """What `to_text` wrote; ValueError for anything else. No child may inherit it any further."""
        try:
            body = json.loads(text)
            inherited = cls(int(body["lock"]), int(body["listener"]), (str(body["listen"][0]), int(body["listen"][1])))
            for descriptor in (inherited.lock, inherited.listener):
                os.set_inheritable(descriptor, False)
        except (KeyError, IndexError, TypeError, OSError) as e:
            raise ValueError(f"nothing that a daemon left: {e!r}") from e
        return inherited


@dataclass(frozen=True, slots=True)
class Handover:
    """Which installation this process is to become, and with what."""

    installation: Installation
    inherited: Inherited

    def carry_out(self, arguments: Sequence[str]) -> None:
        """Become it. Clients that come meanwhile wait in the queue of the listening socket. Raises HandoverFailed."""
        to = self.installation
        for descriptor in (self.inherited.lock, self.inherited.listener):
            os.set_inheritable(descriptor, True)
        try:
            os.chdir(to.folder)
            command = to.command(*arguments, "--inherit", self.inherited.to_text())
            os.execve(to.python, command, to.environ(os.environ))
        except OSError as e:
            raise HandoverFailed(f"{to.python} can't be run: {e.strerror}") from e
