"""What a call to a keeper can raise.

KeeperError
├── LinkLost          the stream to the keeper is dead, or could not be opened
├── CallTimeout       the keeper did not answer in time
├── StartFailed       no keeper could be started on this machine
├── SurvivorsError    a tree was killed and something of it still lives
└── Refused           the keeper said no; ``kind`` says why
    ├── SpawnRefused      the command could not be started
    └── NoSuchRun         the keeper does not know this run (or its exec session)
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence


class KeeperError(Exception):
    """Any failure of a call to a keeper; ``kind`` is for programs, ``str()`` for people."""

    kind = "keeper"

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        super().__init__(message)
        if kind is not None:
            self.kind = kind


class LinkLost(KeeperError):
    """The byte stream to the keeper ended or could not be opened; nothing is known of what runs there."""

    kind = "link-lost"


class CallTimeout(KeeperError):
    """The keeper did not answer within the time given to the call."""

    kind = "timeout"


class StartFailed(KeeperError):
    """No keeper answers and none could be started; the message names the cause."""

    kind = "start-failed"


class SurvivorsError(KeeperError):
    """Processes that were still alive when the time to kill them was over."""

    kind = "survivors"

    def __init__(self, message: str, *, survivors: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(message)
        self.survivors = tuple(survivors)


class Refused(KeeperError):
    """The keeper understood the request and declined it."""

    kind = "refused"


class SpawnRefused(Refused):
    """A command could not be started; nothing of it was left behind.

    Kinds: ``command-not-found`` ``not-executable`` ``bad-cwd`` ``unknown-user`` ``not-permitted``
    ``resources`` ``no-space`` ``bad-request`` ``spawn-failed``.
    """

    kind = "spawn-failed"


class NoSuchRun(Refused):
    """The keeper does not know this run: never spawned here, or disposed of."""

    kind = "no-such-run"


SPAWN_KINDS = frozenset(
    {
        "command-not-found",
        "not-executable",
        "bad-cwd",
        "unknown-user",
        "not-permitted",
        "resources",
        "no-space",
        "spawn-failed",
    }
)


def from_wire(error: Mapping[str, Any]) -> KeeperError:
    """The exception for an error object of the wire."""
    kind, message = str(error.get("kind", "refused")), str(error.get("message", "refused"))
    if kind == "survivors":
        return SurvivorsError(message, survivors=[(int(pid), str(line)) for pid, line in error.get("survivors", ())])
    if kind == "no-such-run":
        return NoSuchRun(message)
    if kind in SPAWN_KINDS:
        return SpawnRefused(message, kind=kind)
    return Refused(message, kind=kind)
