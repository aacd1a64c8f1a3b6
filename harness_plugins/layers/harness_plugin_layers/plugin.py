"""The offers of this distribution; reading them imports nothing heavy."""

from __future__ import annotations

from typing import Any

from harness_core.contracts.layer import Layer
from harness_core.contracts.offer import Context, Offer
from harness_core.hookspecs import hookimpl


def _local(context: Context) -> Layer:
    from harness_plugin_layers.local import LocalLayer

    return LocalLayer()


def _env(context: Context) -> Layer:
    from harness_plugin_layers.env import EnvLayer

    return EnvLayer()


def _sudo(context: Context) -> Layer:
    from harness_plugin_layers.sudo import SudoLayer

    return SudoLayer()


_NAME = {"type": "string", "pattern": r"^[^=\x00]+$"}

LOCAL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Run the command where the outer layers lead, as it is.",
    "properties": {},
    "additionalProperties": False,
}

ENV_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Change the environment of everything inside this layer.",
    "properties": {
        "set": {
            "type": "object",
            "description": "Variables to add or to replace.",
            "propertyNames": _NAME,
            "additionalProperties": {"type": ["string", "integer"]},
            "default": {},
            "examples": [{"LANG": "C.UTF-8"}],
        },
        "unset": {
            "type": "array",
            "description": "Variables to remove.",
            "items": _NAME,
            "default": [],
            "examples": [["PYTHONPATH"]],
        },
        "clear": {
            "type": "boolean",
            "description": "Start from nothing: only what `set` says remains of the service's environment, PATH included.",
            "default": False,
        },
    },
    "additionalProperties": False,
}

_USER = {"type": ["string", "integer"], "pattern": r"^[^-\s:][^\s:]*$", "minimum": 0}

SUDO_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Run the command as another user, without asking for a password.",
    "properties": {
        "user": {
            **_USER,
            "description": "Who to become: a name or a number.",
            "default": "root",
            "examples": ["postgres", 1000],
        },
        "group": {
            **_USER,
            "description": "The primary group to take: a name or a number. Default: the user's own.",
            "examples": ["docker"],
        },
        "preserve_env": {
            "type": "array",
            "description": "Which variables that say who one is to carry across too; without it they are the new user's. "
            "All other variables of the service are carried anyway.",
            "items": {"enum": ["HOME", "LOGNAME", "MAIL", "SHELL", "USER"]},
            "uniqueItems": True,
            "default": [],
            "examples": [["HOME"]],
        },
    },
    "additionalProperties": False,
}

LOCAL = Offer(name="local", summary="the command as it is, here", create=_local, schema=LOCAL_SCHEMA)
ENV = Offer(name="env", summary="the command with variables set, unset or cleared", create=_env, schema=ENV_SCHEMA)
SUDO = Offer(name="sudo", summary="the command as another user, by sudo", create=_sudo, schema=SUDO_SCHEMA)


@hookimpl
def harness_layers() -> list[Offer]:
    """`local`, `env` and `sudo`."""
    return [LOCAL, ENV, SUDO]
