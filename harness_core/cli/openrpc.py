"""The protocol as an OpenRPC document: what programs that write clients read."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from harness_core import __version__, protocol
from harness_core.kinds import KINDS
from harness_core.protocol import Request

OPENRPC = "1.3.2"
_CODES: Mapping[str, tuple[int, str]] = {
    "failed": (protocol.FAILED, "the request was understood, and could not be carried out"),
    "invalid_params": (protocol.INVALID_PARAMS, "the params are not those of the method"),
    "internal": (protocol.INTERNAL_ERROR, "a bug in the daemon or in a plugin"),
}
_ABOUT = (
    "JSON-RPC 2.0 over WebSocket over TLS 1.3 with client certificates; docs/protocol.md says how to come in. Methods with "
    "`x-streams` send `stream` notifications before their result. `x-role` is what a client needs at least."
)


def document() -> dict[str, Any]:
    """The whole protocol, made from the table that the daemon dispatches by."""
    return {
        "openrpc": OPENRPC,
        "info": {"title": "harness", "version": __version__, "description": _ABOUT},
        "x-protocol": protocol.PROTOCOL_VERSION,
        "methods": [_method(name, request) for name, request in protocol.METHODS.items()],
        "components": {
            "errors": {
                name: {"code": code, "message": message, "data": {"$ref": "#/components/schemas/ErrorData"}}
                for name, (code, message) in _CODES.items()
            },
            "schemas": {"ErrorData": _error_data()},
        },
    }


def _method(name: str, request: type[Request]) -> dict[str, Any]:
    about = " ".join((inspect.getdoc(request) or "").split())
    said, _, result = about.partition("→ ")
    return {
        "name": name,
        "summary": said.split(". ")[0].strip().rstrip("."),
        "description": about,
        "paramStructure": "by-name",
        "params": _params(request),
        "result": {"name": "result", "description": result or "nothing, once it has ended", "schema": {"type": "object"}},
        "errors": [{"$ref": f"#/components/errors/{name}"} for name in _CODES],
        "x-role": str(request.role),
        "x-streams": request.streams,
    }


def _params(request: type[Request]) -> list[dict[str, Any]]:
    """Required ones first, as OpenRPC wants it."""
    schemas = protocol.schema_of(request)["properties"]
    params = []
    for name in sorted(request.fields, key=lambda name: name not in request.required):
        if name in request.required:
            params.append({"name": name, "required": True, "schema": schemas[name]})
        else:
            params.append({"name": name, "required": False, "schema": {**schemas[name], "default": getattr(request, name)}})
    return params


def _error_data() -> dict[str, Any]:
    kinds = [{"const": kind, "description": meaning} for kind, meaning in KINDS.items()]
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {
            "kind": {"anyOf": [*kinds, {"type": "string", "description": "one of a plugin or of a newer daemon"}]},
            "hint": {"type": ["string", "null"], "description": "what to do, for people"},
            "problems": {"type": "array", "description": "with `config.invalid`: every problem, with file, line and column"},
        },
    }
