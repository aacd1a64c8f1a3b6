"""The layer that runs a command as another user, by sudo."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness_core.contracts.command import Command
from harness_core.contracts.layer import Layer
from harness_plugin_layers.crossing import behind_shell

WHO_ONE_IS = frozenset({"HOME", "LOGNAME", "MAIL", "SHELL", "USER"})


class SudoLayer(Layer):
    """`sudo -n`: it never asks for a password, it fails and says so.

    sudo clears the environment, and `--preserve-env=NAME` writes the values into its log; so the environment goes across
    in the prologue. Working directory too: sudo's own `-D` needs a permission that few sudoers files give.
    """

    def __init__(self) -> None:
        # sudo is root whatever it runs, and only root may signal root: then sudo relays to the command.
        self.passes = frozenset({"stdin", "tty"}) | (frozenset({"signals"}) if os.geteuid() == 0 else frozenset())

    def wrap(self, command: Command, config: Any) -> Command:
        """`sudo` around a shell that takes on the environment and working directory, then becomes the command."""
        kept = WHO_ONE_IS - frozenset(config.get("preserve_env", ()))
        inner = behind_shell(command, env={name: value for name, value in command.env.items() if name not in kept})
        # A command that names its own user (a check, say) wants to be that one in the end.
        user = command.user if command.user is not None else config.get("user", "root")
        argv = ["sudo", "-n", "-H", "-u", _numbered(user)]
        if "group" in config:
            argv += ["-g", _numbered(config["group"])]
        return replace(inner, argv=(*argv, "--", *inner.argv), env=_for_the_client(command.env), user=None)

    def describe(self, config: Any) -> str:
        """A few words for people."""
        return f"as {config.get('user', 'root')}" + (f":{config['group']}" if "group" in config else "")


def _numbered(name: str | int) -> str:
    return f"#{name}" if isinstance(name, int) or name.isdecimal() else name


def _for_the_client(env: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": env["PATH"]} if "PATH" in env else {}  # to find sudo itself, nothing else
