"""Session: what one command works with: the global options, where to write, and the connection to the daemon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from harness_core.cli.output import Output
from harness_core.cli.settings import Settings, begin

if TYPE_CHECKING:
    from harness_core.client import Client
    from harness_core.protocol import Request

P = ParamSpec("P")
R = TypeVar("R")


class Session:
    """One command's run; the daemon is connected, and started, at the first request."""

    def __init__(self, settings: Settings, output: Output) -> None:
        self.settings = settings
        self.output = output
        self._client: Client | None = None

    @property
    def state_dir(self) -> Path:
        """Where harness keeps things."""
        from harness_core import paths

        return paths.state_dir()

    def client(self, *, start: bool = True) -> Client:
        """The connection to the daemon, which is started where none runs, unless told not to."""
        if self._client is None:
            from harness_core import client

            self._client = client.connect(
                self.state_dir,
                start=start,
                on_start=lambda: self.output.say("no daemon runs yet: starting one"),
                on_warning=self.output.warn,
            )
            hello = self._client.hello
            self.output.detail(f"daemon {hello['version']}, pid {hello['pid']}, state in {self.state_dir}")
        return self._client

    def reconnect(self) -> Client:
        """A new connection, for when the daemon went away."""
        self.close()
        return self.client()

    def call(self, request: Request, *, timeout: float | None = None) -> Any:
        """The result of one request."""
        return self.client().call(request, timeout=timeout)

    def project(self) -> str:
        """The id of the project that is meant: by -p, or by the configuration file."""
        from harness_core.cli.project import identify

        found = identify(self.settings)
        self.output.detail(f"project {found}")
        return found

    def bundle(self, *, profiles: Sequence[str] = (), strict: bool = False) -> dict[str, Any]:
        """The configuration as text, with what it needs from here, ready to be sent."""
        from harness_core.cli.project import gathered

        bundle = gathered(self.settings, profiles=profiles, strict=strict)
        self.output.detail("configuration " + ", ".join(file.path for file in bundle.files))
        return bundle.to_json()

    def close(self) -> None:
        """Let the daemon go."""
        if self._client is not None:
            self._client.close()
            self._client = None


def pass_session(command: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """Give a command its session, closed when the command ends."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        context = click.get_current_context()
        settings = begin(context)
        session = Session(settings, Output(settings))
        context.call_on_close(session.close)
        return command(session, *args, **kwargs)

    return update_wrapper(call, command)
