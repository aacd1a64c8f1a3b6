"""`harness env`."""

from __future__ import annotations

from harness_core.cli.lazy import LazyGroup

COMMANDS = {
    "get": "Show the environment of services as they see it, secrets masked.",
}

command = LazyGroup(
    "env",
    help="Look at the environment of services.",
    table=COMMANDS,
    prefix="env_",
    aliases={},
    no_args_is_help=False,
    examples=("harness env get", "harness env get DATABASE_URL -s api"),
)
