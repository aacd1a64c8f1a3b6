"""A line of POSIX shell that rebuilds environment and working directory on the far side of a border.

The far side's shell evaluates it before it becomes the program. It arrives on stdin (the prologue), so that no value stands
in an argv that all users of a machine can read; with a terminal it is an argument, because a terminal would echo it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace

from harness_core.contracts.command import Command
from harness_core.contracts.errors import ConfigError

SHELL = "/bin/sh"
FROM_STDIN = 'IFS= read -r l && eval "$l" && exec "$@"'
FROM_ARGUMENT = 'eval "$1" && shift && exec "$@"'

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def behind_shell(command: Command, *, env: Mapping[str, str]) -> Command:
    """The command as a shell that first takes on `env` and the command's cwd; the result needs neither from outside."""
    line = shell_line(env, command.cwd)
    if command.tty:
        argv = (SHELL, "-c", FROM_ARGUMENT, "sh", line, *command.argv)
        return replace(command, argv=argv, env={}, cwd=None)
    argv = (SHELL, "-c", FROM_STDIN, "sh", *command.argv)
    return replace(command, argv=argv, env={}, cwd=None, prologue=line.encode() + b"\n" + command.prologue)


def shell_line(env: Mapping[str, str], cwd: str | None) -> str:
    """One line, without a newline in it, that exports `env` and enters `cwd`."""
    steps = [f"cd -- {_quote(cwd if cwd.startswith('/') else './' + cwd)}"] if cwd is not None else []
    if any("\n" in value for value in (*env.values(), cwd or "")):
        # The reader takes one line, and a substitution strips trailing newlines: hence the x.
        steps.insert(0, r"n=$(printf '\nx') && n=${n%x}")
    for name in env:
        if not _NAME.match(name):
            raise ConfigError(
                f"the variable {name!r} can't be carried across a border: a shell has no such names",
                hint="use letters, digits and underscores, not beginning with a digit",
            )
    # The helper's name may be one of the service's own variables: that one goes last.
    ordered = sorted(env.items(), key=lambda item: item[0] == "n")
    steps += [f"export {name}={_quote(value)}" for name, value in ordered]
    return " && ".join(steps) or ":"


def _quote(text: str) -> str:
    return '"$n"'.join(shlex.quote(part) if part else "" for part in text.split("\n")) or "''"
