"""`harness completion`."""

from __future__ import annotations

import click

from harness_core.cli.completing import SCRIPTS
from harness_core.cli.lazy import HarnessCommand
from harness_core.cli.session import Session, pass_session

_WHERE = {
    "bash": '~/.bashrc:  eval "$(harness completion bash)"',
    "zsh": '~/.zshrc, after compinit:  eval "$(harness completion zsh)"',
    "fish": "~/.config/fish/completions/harness.fish",
}


@pass_session
def completion(session: Session, shell: str) -> None:
    """Print the completion script."""
    script = SCRIPTS[shell]
    if session.settings.json:
        session.output.json({"shell": shell, "script": script})
        return
    session.output.write(script)
    if session.output.terminal:
        session.output.say(f"put it into {_WHERE[shell]}")


command = HarnessCommand(
    "completion",
    callback=completion,
    params=[click.Argument(["shell"], type=click.Choice(tuple(SCRIPTS)), metavar="SHELL")],
    help="Print the completion script for a shell: bash, zsh or fish.\n\n"
    "It completes commands, options, what options may be, and the services and profiles of the configuration.",
    examples=(
        "echo 'eval \"$(harness completion bash)\"' >> ~/.bashrc",
        "echo 'eval \"$(harness completion zsh)\"' >> ~/.zshrc",
        "harness completion fish > ~/.config/fish/completions/harness.fish",
    ),
)
