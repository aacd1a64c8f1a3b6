"""A catalog of stand-in offers, and texts parsed with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from harness_core.config.bundle import Bundle, SourceFile
from harness_core.config.model import ServiceConfig
from harness_core.config.problem import InvalidConfig, Problem
from harness_core.config.validate import Parsed, parse
from harness_core.contracts.offer import Capability, Offer
from harness_core.plugins import BrokenPlugin, Catalog

FILE = "/home/me/shop/services.yaml"


def _nothing(context: Any) -> None:
    return None


def _offer(name: str, schema: Mapping[str, Any], *, needs: set[Capability] = frozenset(), **more: Any) -> Offer:  # type: ignore[assignment]
    return Offer(name, f"a stand-in for {name}", _nothing, schema, frozenset(needs), **more)


PROCESS = _offer(
    "process",
    {"type": "object", "properties": {"user": {"type": ["string", "integer"]}}, "additionalProperties": False},
    needs=set(Capability),
)
CONTAINER = _offer(
    "container",
    {
        "type": "object",
        "required": ["image"],
        "properties": {
            "image": {"type": "string", "minLength": 1},
            "pull": {"enum": ["always", "missing", "never"]},
            "replace": {"type": "boolean"},
            "weight": {"type": "integer", "minimum": 0},
            "seed": {"type": "string", "format": "path"},
            "tls_key": {"type": "string", "format": "path"},
            "registry_password": {"type": "string"},
            "mounts": {"type": "array", "items": {"$ref": "#/$defs/mount"}},
        },
        "$defs": {
            "mount": {
                "type": "object",
                "properties": {"from": {"type": "string", "format": "path"}, "to": {"type": "string"}},
                "required": ["to"],
                "additionalProperties": False,
            }
        },
    },
    needs={Capability.EXEC, Capability.SIGNALS},
    aliases=("box",),
)
WATCHED = _offer(
    "watched",
    {
        "type": "object",
        "properties": {"pid": {"type": "integer"}, "pidfile": {"type": "string"}},
        "anyOf": [{"required": ["pid"]}, {"required": ["pidfile"]}],
    },
    attaches=True,
)
SUDO = _offer("sudo", {"type": "object", "properties": {"user": {"type": ["string", "integer"]}}, "additionalProperties": False})
COMMAND_CHECK = _offer(
    "command",
    {
        "type": ["string", "array", "object"],
        "properties": {"command": {"type": ["string", "array"]}, "args": {"type": "array", "items": {"type": "string"}}},
        "additionalProperties": False,
    },
    needs={Capability.EXEC},
)
HTTP = _offer("http", {"type": ["string", "object"], "properties": {"ca": {"type": "string", "format": "path"}}})
TCP = _offer(
    "tcp",
    {
        "type": ["integer", "string", "object"],
        "properties": {"port": {"type": ["integer", "string"]}},
        "additionalProperties": False,
    },
)

CATALOG = Catalog(
    executors={offer.name: offer for offer in (PROCESS, CONTAINER, WATCHED)},
    layers={SUDO.name: SUDO},
    health_checks={offer.name: offer for offer in (COMMAND_CHECK, HTTP, TCP)},
    broken=(BrokenPlugin("harness-plugin-podman", "0.3", "podman", "ImportError: no module 'libpod'", ("podman",)),),
)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Stand-ins: process, container (alias box), watched; sudo; command, http, tcp; a broken podman."""
    return CATALOG


def parsed(text: str, **bundle: Any) -> Parsed:
    """The project that a text describes."""
    home = bundle.pop("home", "/home/me")
    file = bundle.pop("file", FILE)
    return parse(Bundle((SourceFile(file, text),), home=home, **bundle), CATALOG)


@pytest.fixture(name="parsed")
def _parsed() -> Callable[..., Parsed]:
    return parsed


@pytest.fixture
def service() -> Callable[..., ServiceConfig]:
    """The service `a` of type process that the keys describe; more services may follow as text."""

    def one(keys: str, *, more: str = "", type: str = "process", **bundle: Any) -> ServiceConfig:
        command = "" if keys.startswith(("command", "binary")) or type != "process" else ", command: run"
        image = ", image: x" if type in ("container", "box") and "image" not in keys else ", pid: 1" if type == "watched" else ""
        text = f"services:\n  a: {{type: {type}{command}{image}, {keys}}}\n{more}"
        return parsed(text, **bundle).project.services["a"]

    return one


@pytest.fixture
def problems() -> Callable[..., list[Problem]]:
    """What is wrong with a text: all problems, at least one error."""

    def of(text: str, **bundle: Any) -> list[Problem]:
        with pytest.raises(InvalidConfig) as raised:
            parsed(text, **bundle)
        return list(raised.value.problems)

    return of


@pytest.fixture
def only(problems: Callable[..., list[Problem]]) -> Callable[..., Problem]:
    """The one thing that is wrong with a text."""

    def of(text: str, **bundle: Any) -> Problem:
        found = problems(text, **bundle)
        assert len(found) == 1, "\n".join(map(str, found))
        return found[0]

    return of
