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


def environment_of(supervisor: Supervisor, hide: Callable[[Any], Any]) -> list[dict[str, Any]]:
    """Every variable by name: `name value source file secret problem`, masked by `hide`.

    A run's own values count, as far as they are still known: after a restart of the daemon those with secrets are not, and
    are made anew from the configuration. `value` None: it has none now, and `problem` says why.
    """
    config = supervisor.config
    inherited = config.inherited_env if config.command is not None else {}
    had = _had(supervisor)
    names = had.keys() if had is not None else {**inherited, **config.env}.keys()
    return [_variable(supervisor, name, (had or {}).get(name), inherited, hide) for name in sorted(names)]


def unknown(names: Sequence[str], supervisors: Sequence[Supervisor], known: Sequence[str]) -> UnknownVariable:
    """The error that nobody has these."""
    whose = f"of {supervisors[0].name!r}" if len(supervisors) == 1 else "of any of these services"
    close = [match for name in names for match in difflib.get_close_matches(name, known, 1)]
    hint = "did you mean " + ", ".join(dict.fromkeys(close)) + "?" if close else "harness env get lists them"
    return UnknownVariable(f"no variable {', '.join(names)} in the environment {whose}", hint=hint)


def _had(supervisor: Supervisor) -> Mapping[str, str] | None:
    """What the present run was given; None: there is none, or a layer passes its environment on in another way."""
    run = supervisor.run
    if run is None or supervisor.config.layers:
        return None
    return run.spec.command.env if run.spec.command is not None else run.spec.env


def _variable(
    supervisor: Supervisor, name: str, had: str | None, inherited: Mapping[str, str], hide: Callable[[Any], Any]
) -> dict[str, Any]:
    template = supervisor.config.env.get(name)
    value, problem = had or None, None
    if value is None and template is not None:
        try:
            value = supervisor.rendered(template)
        except HarnessError as error:
            problem = _reason(supervisor, template, error)
    elif value is None:
        value = inherited.get(name, "")
    shown = hide({"env": {name: value}})["env"][name]
    if value and template in supervisor.config.secrets:
        shown = MASK  # it has references: only the template is known to be secret
    file = supervisor.config.env_files.get(name)
    source = "env_file" if file else "inherited" if template is None else "env"
    return {"name": name, "value": shown, "source": source, "file": file, "secret": shown != value, "problem": problem}


def _reason(supervisor: Supervisor, template: str, error: HarnessError) -> str:
    to_choose = len(supervisor.known_ports) < len(supervisor.config.ports)
    if to_choose and any(reference.service == supervisor.name for reference in references(template)):
        return "its own port is chosen when it starts"
    return error.message
