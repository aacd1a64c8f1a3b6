"""The command check: healthy when a command inside the service's place exits with 0."""

from __future__ import annotations

import shlex
from typing import Any

from harness_core.contracts import Command, ConfigError, Health, HealthCheck, Target
from harness_plugin_health.excerpt import last_lines


class CommandCheck(HealthCheck):
    """Runs one command at each probe; its last lines of output are the detail."""

    async def probe(self, config: Any, target: Target) -> Health:
        """Healthy when the command exits with 0."""
        result = await target.exec(command_from(config))
        said = last_lines(result.output)
        if result.code == 0:
            return Health(True, said)
        how = f"exit {result.code}" if result.code is not None else f"ended by {result.signal or 'an unknown signal'}"
        return Health(False, f"{how}: {said}" if said else how)

    def describe(self, config: Any) -> str:
        """The command line on one line, without its environment."""
        argv = command_from(config).argv
        line = argv[2] if _is_shell(config) else shlex.join(argv)
        return "command " + " ".join(line.split())


def command_from(config: Any) -> Command:
    """The command that a string, a list or a mapping stands for."""
    if not isinstance(config, dict):
        config = {"command": config}
    line, more = config["command"], [str(arg) for arg in config.get("args", ())]
    env = {name: str(value) for name, value in config.get("env", {}).items()}
    if config.get("shell"):
        # What follows the line is $0, $1 and so on to it.
        return Command(("/bin/sh", "-c", line, *(["sh", *more] if more else [])), env=env)
    argv = (*(_split(line) if isinstance(line, str) else map(str, line)), *more)
    if not argv or not argv[0]:
        raise ConfigError("the health check's command is empty", hint="write the program and its arguments")
    return Command(argv, env=env)


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        hint = "close the quotes, or write a list; `shell: true` for a line that a shell must read"
        raise ConfigError(f"the health check's command cannot be split: {str(error).lower()}", hint=hint) from error


def _is_shell(config: Any) -> bool:
    return isinstance(config, dict) and bool(config.get("shell"))
