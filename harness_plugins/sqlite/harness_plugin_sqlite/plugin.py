"""What this distribution offers: a registry backend in one sqlite file."""

from __future__ import annotations

from collections.abc import Iterable

from harness_core.contracts import Context, Offer, RegistryBackend
from harness_core.hookspecs import hookimpl


def _create(context: Context) -> RegistryBackend:
    from harness_plugin_sqlite.backend import SqliteRegistry

    return SqliteRegistry(context)


OFFER = Offer(
    name="sqlite",
    summary="remembers what runs where in one file of this machine",
    create=_create,
    schema={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "path": {
                "type": "string",
                "format": "path",
                "minLength": 1,
                "description": "The database file, on a local disk; default: registry.db in the plugin's state directory.",
                "examples": ["~/.local/state/harness/registry.db"],
            },
        },
    },
)


@hookimpl
def harness_registry_backends() -> Iterable[Offer]:
    """The backend: sqlite."""
    return [OFFER]
