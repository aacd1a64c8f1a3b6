"""`harness completion`."""

from __future__ import annotations

import click

from harness_core.cli.failures import UsageFault
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session

_WHERE = {
    "bash": '~/.bashrc:  eval "$(harness completion bash)"',
    "zsh": '~/.zshrc:  eval "$(harness completion zsh)"',
    "fish": "~/.config/fish/completions/harness.fish",
}


@pass_session
def completion(session: Session, shell: str) -> None:
    """Print the completion script."""
    from click.shell_completion import get_completion_class

    from harness_core.cli.main import COMPLETE, cli

    found = get_completion_class(shell)
    if found is None:
        raise UsageFault(f"no completion for '{shell}'", hint="bash, zsh and fish are known")
    script = found(cli, {}, "harness", COMPLETE).source()
    if session.settings.json:
        session.output.json({"shell": shell, "script": script})
        return
    session.output.write(script + "\n")
    if session.output.terminal:
        session.output.say(f"put it into {_WHERE[shell]}")


command = HarnessCommand(
    "completion",
    callback=completion,
    params=[click.Argument(["shell"], type=click.Choice(sorted(_WHERE)), metavar="SHELL")],
    help="Print the completion script for a shell: bash, zsh or fish. It completes commands, options and services.",
    examples=('eval "$(harness completion bash)"', "harness completion fish > ~/.config/fish/completions/harness.fish"),
)
