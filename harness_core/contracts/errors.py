"""What can go wrong at the border between core and plugins.

HarnessError
├── ConfigError            the person wrote something that can't be
├── LaunchFailed           a place could not start the service
│   ├── CommandNotFound
│   └── PortTaken
├── NotFound  Ambiguous    an attacher found nothing, or several things
├── Unreachable            the place can't be asked right now; nothing is known about the service
├── Survivors              a kill ended and something of the tree still lives
├── NotSupported           asked for a capability that the offer does not declare
├── StateTooNew            a handle state written by a newer plugin
└── RegistryError
    ├── Conflict  Full  TooNew  Corrupt  Unavailable  Compacted
"""

from __future__ import annotations

from collections.abc import Sequence


class HarnessError(Exception):
    """Anything harness can explain: a kind for programs, a sentence for people, a hint for the tired."""

    kind = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(HarnessError):
    """What the person wrote can't be; `kind` says how."""

    kind = "config.invalid"


class LaunchFailed(HarnessError):
    """A service could not be launched; `transient=False` means that trying again is pointless."""

    kind = "launch.failed"

    def __init__(self, message: str, *, hint: str | None = None, transient: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient


class CommandNotFound(LaunchFailed):
    """The program does not exist at the place, or may not be executed there."""

    kind = "launch.command-not-found"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, transient=False)


class PortTaken(LaunchFailed):
    """Somebody else listens on `port`; `holder` says who, when that could be found out."""

    kind = "launch.port-taken"

    def __init__(self, port: int, *, holder: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"port {port} is in use" + (f" by {holder}" if holder else ""), hint=hint)
        self.port = port
        self.holder = holder


class NotFound(HarnessError):
    """Nothing at the place matches; core polls until `startup_timeout`."""

    kind = "attach.not-found"


class Ambiguous(HarnessError):
    """Several things match; the message names them."""

    kind = "attach.ambiguous"


class Unreachable(HarnessError):
    """The place can't be asked; never to be taken for an exit."""

    kind = "place.unreachable"


class Survivors(HarnessError):
    """A kill ended, and these still live."""

    kind = "stop.survivors"

    def __init__(self, survivors: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__("still alive after KILL: " + ", ".join(survivors), hint=hint)
        self.survivors = tuple(survivors)


class NotSupported(HarnessError):
    """The offer does not declare this capability."""

    kind = "capability.missing"


class StateTooNew(HarnessError):
    """A handle state was written by a newer version of the plugin."""

    kind = "state.too-new"


class RegistryError(HarnessError):
    """A registry backend could not do what it was asked."""

    kind = "registry.error"


class Conflict(RegistryError):
    """A change's `if_revision` is not the record's revision; nothing of the batch was written."""

    kind = "registry.conflict"


class Full(RegistryError):
    """No room left to write; what is stored stays readable."""

    kind = "registry.full"


class TooNew(RegistryError):
    """The store was written by a newer version; the message names it."""

    kind = "registry.too-new"


class Corrupt(RegistryError):
    """The store can't be read; core moves it aside and adopts what runs."""

    kind = "registry.corrupt"


class Unavailable(RegistryError):
    """The store can't be reached just now."""

    kind = "registry.unavailable"


class Compacted(RegistryError):
    """The revision asked for is no longer kept; start again from a snapshot."""

    kind = "registry.compacted"
