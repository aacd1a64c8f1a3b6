"""A project as a person would write it: resolved, complete, secrets masked. What `harness config` shows.

The result is a valid services.yaml again, as far as no secret was masked: references stay references, `$$` a dollar.
"""

from __future__ import annotations

from typing import Any

from harness_core.config.durations import format_duration, format_size
from harness_core.config.model import HealthConfig, PortConfig, ProjectConfig, ServiceConfig
from harness_core.mask import mask
from harness_core.template import escape


def resolved(project: ProjectConfig) -> dict[str, Any]:
    """The project as JSON in the words of services.yaml, masked."""
    body: dict[str, Any] = {"version": "1.0", "name": project.name}
    if project.description:
        body["description"] = escape(project.description)
    if project.networks:
        body["networks"] = _escaped(project.networks)
    body["services"] = {name: _service(service) for name, service in project.services.items()}
    secrets = {secret for service in project.services.values() for secret in service.secrets}
    masked: dict[str, Any] = mask(body, {*secrets, *map(escape, secrets)})
    return masked


def as_yaml(project: ProjectConfig) -> str:
    """The same as YAML."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(resolved(project), Dumper=dumper, sort_keys=False, allow_unicode=True, width=120))


def _service(service: ServiceConfig) -> dict[str, Any]:
    body: dict[str, Any] = {"type": service.type}
    optional = {
        "description": escape(service.description),
        "network": service.network,
        **service.config,
        **_command(service),
        "layers": [{"type": layer.type, **layer.config} for layer in service.layers],
        "env": dict(service.env),
        "ports": [_port(port) for port in service.ports],
        "dependencies": {name: condition.value for name, condition in service.dependencies.items()},
        "health_check": _health(service.health_check) if service.health_check else None,
    }
    body |= {key: value for key, value in optional.items() if value not in (None, "", [], {}) or key in service.config}
    body |= {"profiles": list(service.profiles)} if service.profiles else {}
    body["oneshot"] = service.oneshot
    body["startup_timeout"] = format_duration(service.startup_timeout)
    restart, stop = service.restart, service.stop
    body["restart"] = {
        "policy": restart.when.value,
        "backoff": format_duration(restart.backoff),
        "max_backoff": format_duration(restart.max_backoff),
        "max_restarts": restart.max_restarts,
        "window": format_duration(restart.window),
    }
    body["stop"] = {
        **({"signal": stop.signal} if stop.signal else {}),
        "timeout": format_duration(stop.timeout),
        **({"command": list(stop.command)} if stop.command else {}),
    }
    limits = {key: value for key, value in service.block["limits"].items() if value is not None}
    if "memory" in limits:
        limits["memory"] = format_size(limits["memory"])
    body |= {"limits": limits} if limits else {}
    body["logs"] = {**service.block["logs"], "max_size": format_size(service.logs.max_size)}
    body |= {"labels": dict(service.labels)} if service.labels else {}
    return body


def _command(service: ServiceConfig) -> dict[str, Any]:
    command = service.command
    if command is None:
        return {}
    return {
        "command": command.argv[0] if command.shell else list(command.argv),
        "working_dir": command.working_dir,
        **{key: True for key in ("shell", "stdin", "tty") if getattr(command, key)},
    }


def _port(port: PortConfig) -> dict[str, Any]:
    body: dict[str, Any] = {"name": port.name, "port": "auto" if port.inner is None else port.inner}
    return {**body, **({"host": port.outer} if port.outer else {}), "protocol": port.protocol}


def _health(health: HealthConfig) -> dict[str, Any]:
    return {
        health.check: health.config,
        "interval": format_duration(health.interval),
        "timeout": format_duration(health.timeout),
        "retries": health.retries,
        "successes": health.successes,
        "start_period": format_duration(health.start_period),
        "on_failure": "restart" if health.restart_on_failure else "none",
    }


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list) else value
