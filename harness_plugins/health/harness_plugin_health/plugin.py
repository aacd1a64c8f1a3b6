"""What this distribution offers: four ways to find out whether a service is well."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness_core.contracts import Capability, Context, HealthCheck, Offer
from harness_core.hookspecs import hookimpl

_REFERENCE = r"\$\{"
"""Part of a template that core renders before the probe: a string that has it is accepted wherever a number is meant."""

_PORT: dict[str, Any] = {
    "type": ["integer", "string"],
    "minimum": 1,
    "maximum": 65535,
    "pattern": rf"^[0-9]{{1,5}}$|{_REFERENCE}",
}

_STATUS: dict[str, Any] = {
    "type": ["integer", "string"],
    "minimum": 100,
    "maximum": 599,
    "pattern": r"^[1-5]([0-9][0-9]|xx)$",
}


def _command(context: Context) -> HealthCheck:
    from harness_plugin_health.command import CommandCheck

    return CommandCheck()


def _http(context: Context) -> HealthCheck:
    from harness_plugin_health.http import HttpCheck

    return HttpCheck(context)


def _tcp(context: Context) -> HealthCheck:
    from harness_plugin_health.tcp import TcpCheck

    return TcpCheck()


def _log(context: Context) -> HealthCheck:
    from harness_plugin_health.log import LogCheck

    return LogCheck()


# Shorthand and mapping stand in one schema with a list of types, not in an `anyOf`: each keyword holds for its own type
# alone, so that a mistake is named ("'prot' is not allowed") instead of "not valid under any of the given schemas".

COMMAND = Offer(
    name="command",
    summary="healthy when a command, run inside the service's place, exits with 0",
    create=_command,
    capabilities=frozenset({Capability.EXEC}),
    schema={
        "type": ["string", "array", "object"],
        "description": "The command: a string (split as a shell would, without a shell), a list, or a mapping.",
        "examples": ["pg_isready -U postgres", ["pg_isready", "-U", "postgres"]],
        "minLength": 1,
        "minItems": 1,
        "items": {"type": ["string", "number"]},
        "required": ["command"],
        "additionalProperties": False,
        "properties": {
            "command": {
                "type": ["string", "array"],
                "description": "What to run: a string (split as a shell would) or a list.",
                "minLength": 1,
                "minItems": 1,
                "items": {"type": ["string", "number"]},
            },
            "args": {
                "type": "array",
                "description": "More arguments, after those of `command`; with `shell` they are $1, $2 and so on.",
                "items": {"type": ["string", "number"]},
                "default": [],
            },
            "shell": {
                "type": "boolean",
                "description": "Run `command`, which must be a string then, by `/bin/sh -c`.",
                "default": False,
            },
            "env": {
                "type": "object",
                "description": "Variables added to the service's environment for this command.",
                "additionalProperties": {"type": ["string", "number"]},
                "default": {},
            },
        },
        "if": {"required": ["shell"], "properties": {"shell": {"const": True}}},
        "then": {"properties": {"command": {"type": "string"}}},
    },
)

HTTP = Offer(
    name="http",
    summary="healthy when a URL answers with an expected status",
    create=_http,
    schema={
        "type": ["string", "object"],
        "description": "A URL (http://host:port/path), a path on the service's first endpoint (/path), or a mapping.",
        "examples": ["http://${api.host}:${api.port}/health", "/health"],
        "pattern": rf"^https?://|^/|{_REFERENCE}",
        "additionalProperties": False,
        "properties": {
            "url": {
                "type": "string",
                "description": "Where to ask; default: the service's own http endpoint, else its first one.",
                "pattern": rf"^https?://|^/|{_REFERENCE}",
            },
            "scheme": {"enum": ["http", "https"], "description": "Replaces that part of the URL."},
            "host": {"type": "string", "description": "Replaces that part of the URL.", "minLength": 1},
            "port": {**_PORT, "description": "From 1 to 65535; replaces that part of the URL."},
            "path": {"type": "string", "description": "Replaces path and query of the URL.", "pattern": rf"^/|{_REFERENCE}"},
            "method": {
                "type": "string",
                "description": "The request's method.",
                "pattern": "^[A-Z]{1,20}$",
                "default": "GET",
            },
            "headers": {
                "type": "object",
                "description": "Headers to send.",
                "propertyNames": {"pattern": r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"},
                "additionalProperties": {"type": ["string", "number"]},
                "default": {},
            },
            "status": {
                "type": ["integer", "string", "array"],
                "description": "What counts as healthy: a number, `2xx`, or a list of those; default: 200 to 399.",
                "examples": [200, "2xx", [200, 404]],
                "minimum": 100,
                "maximum": 599,
                "pattern": _STATUS["pattern"],
                "minItems": 1,
                "items": _STATUS,
                "default": ["2xx", "3xx"],
            },
            "body": {
                "type": "string",
                "description": "Text that must be in the first MiB of the answer's body.",
                "minLength": 1,
            },
            "verify": {
                "type": "boolean",
                "description": "For https: whether the certificate must be trusted and valid for the host.",
                "default": True,
            },
            "ca": {
                "type": "string",
                "format": "path",
                "description": "For https: a PEM file with the authorities to trust instead of the system's.",
            },
        },
    },
)

TCP = Offer(
    name="tcp",
    summary="healthy when a port takes a connection (and answers as expected)",
    create=_tcp,
    schema={
        "type": ["integer", "string", "object"],
        "description": "A port, `host:port`, or a mapping.",
        "examples": [6379, "127.0.0.1:6379", {"port": 6379}],
        "minimum": 1,
        "maximum": 65535,
        "pattern": rf"^[0-9]{{1,5}}$|^.+:[0-9]{{1,5}}$|{_REFERENCE}",
        "additionalProperties": False,
        "properties": {
            "host": {
                "type": "string",
                "description": "Where to connect; default: as the service's first endpoint, else 127.0.0.1.",
                "minLength": 1,
            },
            "port": {**_PORT, "description": "From 1 to 65535; default: that of the service's first endpoint."},
            "send": {"type": "string", "description": "Text to send once connected.", "minLength": 1},
            "expect": {
                "type": "string",
                "description": "Text that must be in the first 64 KiB of what comes back.",
                "minLength": 1,
            },
            "timeout": {
                "type": "number",
                "description": "Older style, in seconds; better written beside `tcp`, where it is for every check.",
                "exclusiveMinimum": 0,
            },
        },
    },
)

LOG = Offer(
    name="log",
    summary="healthy from the moment that a line of output matches",
    create=_log,
    capabilities=frozenset({Capability.OUTPUT}),
    schema={
        "type": ["string", "object"],
        "description": "Text to find in a line of the service's output; `*` is any text, `?` any one character.",
        "examples": ["ready to accept connections", "listening on *:8080"],
        "minLength": 1,
        "maxLength": 1000,
        "required": ["pattern"],
        "additionalProperties": False,
        "properties": {
            "pattern": {
                "type": "string",
                "description": "Text to find in a line; `*` is any text, `?` any one character.",
                "minLength": 1,
                "maxLength": 1000,
            },
        },
    },
)


@hookimpl
def harness_health_checks() -> Iterable[Offer]:
    """The checks: command, http, tcp, log."""
    return [COMMAND, HTTP, TCP, LOG]
