"""`harness signal`."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from harness_core.cli import options
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session
from harness_core.protocol import SignalService


@pass_session
def send(session: Session, service: str, signal: str) -> None:
    """Send a signal to a service."""
    session.call(SignalService(project=session.project(), service=service, signal=signal))
    if session.settings.json:
        session.output.json({"service": service, "signal": signal})
    else:
        session.output.say(f"sent {signal} to {service}")


class SignalName(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """A signal; the shell completes its name."""

    name = "signal"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names that begin like this."""
        import signal

        names = sorted(number.name.removeprefix("SIG") for number in signal.Signals)
        return [CompletionItem(name) for name in names if name.startswith(incomplete.upper().removeprefix("SIG"))]


command = HarnessCommand(
    "signal",
    callback=send,
    params=[options.service(), click.Argument(["signal"], metavar="SIGNAL", type=SignalName())],
    help="Send a signal to the main process of a service.\n\n"
    "By name, with or without SIG, in any case, or by number. A service that ends by it is restarted as its policy says: to stop "
    "one, say harness stop.",
    examples=("harness signal api HUP", "harness signal worker sigusr1", "harness signal worker 10"),
)
