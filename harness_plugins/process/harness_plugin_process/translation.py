"""What the keeper says, in the words of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from harness_core.contracts.errors import CommandNotFound, HarnessError, LaunchFailed, Survivors, Unreachable
from harness_core.contracts.run import Exit
from harness_core.keeper import CallTimeout, KeeperError, LinkLost, RunExit, SpawnRefused, StartFailed, SurvivorsError

_HINTS = {
    "resources": "free some memory or end some processes; `ulimit -u` and `ulimit -n` show the limits",
    "no-space": "the disk that holds harness's state is full",
}
_TRANSIENT = frozenset({"resources", "no-space"})


@contextmanager
def in_contract_terms() -> Iterator[None]:
    """Let what the keeper raises come out as errors of the contract."""
    try:
        yield
    except (LinkLost, CallTimeout, StartFailed) as error:
        hint = "it is started again by itself; `harness daemon logs` tells more"
        raise Unreachable(f"the keeper can't be asked: {error}", hint=hint) from error
    except SurvivorsError as error:
        raise Survivors([f"{pid} {cmdline}".rstrip() for pid, cmdline in error.survivors] or [str(error)]) from error
    except SpawnRefused as error:
        raise refusal(error) from error
    except KeeperError as error:
        raise HarnessError(str(error)) from error


def refusal(error: SpawnRefused) -> LaunchFailed:
    """Why a command could not be started."""
    if error.kind in ("command-not-found", "not-executable"):
        return CommandNotFound(str(error))
    return LaunchFailed(str(error), hint=_HINTS.get(error.kind), transient=error.kind in _TRANSIENT)


def exit_of(ended: RunExit) -> Exit:
    """The exit that the keeper saw; unknown stays unknown."""
    return Exit(code=ended.code, signal=ended.signal, reason=ended.reason, at=datetime.fromtimestamp(ended.at, UTC))
