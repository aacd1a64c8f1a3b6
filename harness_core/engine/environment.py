"""Environment: the variables that a service has, or would have if it were started now, and where each came from."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness_core.contracts.errors import HarnessError
from harness_core.engine.supervisor import Supervisor
from harness_core.mask import MASK
from harness_core.template import references


class UnknownVariable(HarnessError):
    """No service that was asked about has a variable of this name; the hint suggests one."""

    kind = "variable.unknown"


def names_of(supervisor: Supervisor) -> list[str]:
    """The names of all variables of a service."""
    had = _had(supervisor)
    return sorted(had if had is not None else {**_inherited(supervisor), **supervisor.config.env})


def environment_of(supervisor: Supervisor, names: Sequence[str], hide: Callable[[Any], Any]) -> list[dict[str, Any]]:
    """These variables of a service, as far as it has them: `name value source file secret problem`, masked by `hide`.

    A run's own values count, as far as they are still known: after a restart of the daemon those with secrets are not, and
    are made anew from the configuration. `value` None: it has none now, and `problem` says why.
    """
    config, had, inherited = supervisor.config, _had(supervisor) or {}, _inherited(supervisor)
    values: dict[str, str | None] = {}
    problems: dict[str, str] = {}
    for name in names:
        values[name] = had.get(name) or None
        template = config.env.get(name)
        if values[name] is None and template is None:
            values[name] = inherited.get(name, "")
        elif values[name] is None and template is not None:
            try:
                values[name] = supervisor.rendered(template)
            except HarnessError as error:
                problems[name] = _reason(supervisor, template, error)
    shown = hide({"env": values})["env"]
    for name, value in values.items():
        if value and config.env.get(name) in config.secrets:
            shown[name] = MASK  # it has references: only the template is known to be secret
    return [
        {
            "name": name,
            "value": shown[name],
            "source": "env_file" if name in config.env_files else "env" if name in config.env else "inherited",
            "file": config.env_files.get(name),
            "secret": shown[name] != value,
            "problem": problems.get(name),
        }
        for name, value in values.items()
    ]


def unknown(names: Sequence[str], supervisors: Sequence[Supervisor], known: Sequence[str]) -> UnknownVariable:
    """The error that nobody has these."""
    whose = f"of {supervisors[0].name!r}" if len(supervisors) == 1 else "of any of these services"
    close = [match for name in names for match in difflib.get_close_matches(name, known, 1)]
    hint = "did you mean " + ", ".join(dict.fromkeys(close)) + "?" if close else "harness env get lists them"
    return UnknownVariable(f"no variable {', '.join(names)} in the environment {whose}", hint=hint)


def _inherited(supervisor: Supervisor) -> Mapping[str, str]:
    return supervisor.config.inherited_env if supervisor.config.command is not None else {}


def _had(supervisor: Supervisor) -> Mapping[str, str] | None:
    """What the present run was given; None: there is none, or a layer passes its environment on in another way."""
    run = supervisor.run
    if run is None or supervisor.config.layers:
        return None
    return run.spec.command.env if run.spec.command is not None else run.spec.env


def _reason(supervisor: Supervisor, template: str, error: HarnessError) -> str:
    to_choose = len(supervisor.known_ports) < len(supervisor.config.ports)
    if to_choose and any(reference.service == supervisor.name for reference in references(template)):
        return "its own port is chosen when it starts"
    return error.message
