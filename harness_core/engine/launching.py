"""From a service's configuration to the LaunchSpec of one run. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from harness_core.config.model import ServiceConfig
from harness_core.contracts.command import Command
from harness_core.contracts.layer import Layer
from harness_core.contracts.place import Place, Port
from harness_core.contracts.run import LaunchSpec
from harness_core.mask import is_secret_name, worth_masking
from harness_core.template import Reference, render

Wrap = Callable[[Command], Command]

DIGEST_LABEL = "harness.digest"
"""The label that carries the definition's digest, so that a run found again can be compared with a definition."""


def new_run_id(now: datetime) -> str:
    """A unique id that sorts by time: milliseconds in hex, a dash, 6 random hex digits."""
    # Random enough to be unique; `secrets` would ask the kernel each time.
    return f"{int(now.timestamp() * 1000):011x}-{random.getrandbits(24):06x}"


def build_spec(
    service: ServiceConfig,
    *,
    project: str,
    run: str,
    ports: Sequence[Port],
    resolve: Callable[[Reference], str],
    wrap: Wrap | None,
) -> LaunchSpec:
    """The spec of one run, every template rendered; `wrap` None: the executor builds no command (no COMMAND)."""
    env = render(service.env, resolve)
    command = None
    if service.command is not None and wrap is not None:
        command = wrap(build_command(service, env=env, resolve=resolve))
    return LaunchSpec(
        project=project,
        service=service.name,
        run=run,
        config=render(service.config, resolve),
        command=command,
        env=env,
        ports=tuple(ports),
        limits=service.limits,
        labels={**render(service.labels, resolve), DIGEST_LABEL: service.digest},
        base_dir=service.base_dir,
        logs=service.logs,
        secrets=service.secrets | _secrets_with_references(service, env),
    )


def _secrets_with_references(service: ServiceConfig, env: Mapping[str, str]) -> frozenset[str]:
    """Values of secret variables that hold references: they are known only now."""
    return frozenset(
        env[name]
        for name, template in service.env.items()
        if template in service.secrets or (is_secret_name(name) and worth_masking(env[name]))
    )


def build_command(service: ServiceConfig, *, env: Mapping[str, str], resolve: Callable[[Reference], str]) -> Command:
    """The innermost command: before any layer."""
    config = service.command
    assert config is not None
    argv = tuple(render(list(config.argv), resolve))
    return Command(
        argv=("/bin/sh", "-c", *argv) if config.shell else argv,
        env={**service.inherited_env, **env},
        cwd=render(config.working_dir, resolve),
        stdin=config.stdin,
        tty=config.tty,
    )


def wrap_in(layers: Sequence[tuple[Layer, Any]], command: Command) -> Command:
    """The outermost command: layers are listed outermost first and applied from the last to the first."""
    for layer, config in reversed(layers):
        command = layer.wrap(command, config)
    return command


def innermost_place(outer: Place, layers: Sequence[tuple[Layer, Any]]) -> Place:
    """Where the innermost command stands."""
    for layer, config in layers:
        outer = layer.place(outer, config)
    return outer
