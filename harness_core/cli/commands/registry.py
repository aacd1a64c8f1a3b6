"""`harness registry`."""

from __future__ import annotations

from harness_core.cli.lazy import LazyGroup

COMMANDS = {
    "list": "Show what runs where, with all addresses and from where each is valid.",
    "resolve": "Show how a service is reached, from here or as seen by another service.",
    "watch": "Show how services stand and are reached, and go on as that changes.",
}

command = LazyGroup(
    "registry",
    help="Find out what runs where, and how it is reached from where.",
    table=COMMANDS,
    prefix="registry_",
    aliases={},
    no_args_is_help=False,
    examples=("harness registry list", "harness registry resolve db --from api", "harness registry watch --json"),
)
