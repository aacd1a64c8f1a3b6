"""From a text on the wire to a request value, or a Refusal; pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from harness_core.daemon import refusal
from harness_core.daemon.fits import Fits, compiled
from harness_core.protocol import MAX_DEPTH, METHODS, Request, Role, request_of, schema_of

_FIELDS = frozenset({"jsonrpc", "id", "method", "params"})
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_FILE = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "text": {"type": "string"}, "error": {"type": ["string", "null"]}},
    "required": ["path"],
    "additionalProperties": False,
}
BUNDLE_SCHEMA = {
    "type": "object",
    "properties": {
        "files": {"type": "array", "items": _FILE, "minItems": 1, "maxItems": 100},
        "included": {"type": "object", "additionalProperties": _FILE},
        "env_files": {"type": "object", "additionalProperties": _FILE},
        "profiles": {"type": "array", "items": {"type": "string"}},
        "variables": _TEXTS,
        "environment": _TEXTS,
        "project": {"type": ["string", "null"]},
        "strict": {"type": "boolean"},
        "home": {"type": "string"},
    },
    "required": ["files", "env_files", "variables", "environment", "project", "strict", "home"],
    "additionalProperties": False,
}
"""What `config.bundle.Bundle.to_json` writes."""
_RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Numbered:
    """A request and the id that its reply carries."""

    id: int
    request: Request


def read(text: str, role: Role) -> Numbered:
    """The request that a text holds, if a client of this role may make it; else raises Refusal."""
    message = _parse(text)
    if not isinstance(message, dict):
        word = "batches are not supported" if isinstance(message, list) else "a request is an object"
        raise refusal.malformed(f"not a request: {word}")
    id = message.get("id")
    if type(id) is not int or not 0 <= id < 2**53:
        raise refusal.malformed("a request has an `id`, an integer from 0 to 2^53 - 1")
    method, params = message.get("method"), message.get("params", {})
    if message.get("jsonrpc") != "2.0" or not isinstance(method, str) or not isinstance(params, dict):
        raise refusal.malformed('a request has "jsonrpc": "2.0", a `method` and `params`, an object', id=id)
    if not message.keys() <= _FIELDS:
        unknown = ", ".join(sorted(message.keys() - _FIELDS))
        raise refusal.malformed(f"unknown fields of the request: {unknown[:200]}", id=id)
    return Numbered(id, _request(id, method, params, role))


def _parse(text: str) -> Any:
    try:
        message = _DECODER.decode(text)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as e:
        raise refusal.unreadable(f"not JSON: {str(e)[:200]}") from None
    # Few brackets can't nest deeply: counting them costs nothing beside a walk.
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(message)
    return message


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON value")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _check_depth(message: Any) -> None:
    level = [message]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> refusal.Refusal:
    return refusal.malformed(f"nested more than {MAX_DEPTH} deep", kind="request.too-deep")


def _request(id: int, method: str, params: Mapping[str, Any], role: Role) -> Request:
    kind = METHODS.get(method)
    if kind is None:
        close = difflib.get_close_matches(method, METHODS, n=1)
        raise refusal.unknown_method(method[:100], hint=f"did you mean {close[0]}?" if close else None, id=id)
    if _RANK[role] < _RANK[kind.role]:
        raise refusal.forbidden(method, has=role, needs=kind.role, id=id)
    if not _FITS[method](params):
        raise _explain(method, params, id)
    return request_of(method, params)


def _explain(method: str, params: Mapping[str, Any], id: int) -> refusal.Refusal:
    # Imported only for somebody's mistake: it is large.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(params_schema(METHODS[method])).iter_errors(params))
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    fields = ", ".join(METHODS[method].fields) or "none"
    return refusal.invalid(f"{method}: params{where}: {error.message[:300]}", hint=f"its params are: {fields}", id=id)


def params_schema(request: type[Request]) -> dict[str, Any]:
    """The JSON Schema of a request's params, bundles in full."""
    schema = schema_of(request)
    if "bundle" in schema["properties"]:
        schema["properties"]["bundle"] = BUNDLE_SCHEMA
    return schema


_FITS: Mapping[str, Fits] = {method: compiled(params_schema(request)) for method, request in METHODS.items()}
