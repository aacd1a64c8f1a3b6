"""Refusal: why a request is not carried out, and how any error stands on the wire."""

from __future__ import annotations

from typing import Any

from harness_core.config.problem import InvalidConfig
from harness_core.contracts.errors import HarnessError
from harness_core.protocol import FAILED, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, error_frame


class Refusal(HarnessError):
    """A request that the daemon does not take; `code` is JSON-RPC's, `id` the request's where it could be read."""

    def __init__(self, kind: str, message: str, *, code: int, hint: str | None = None, id: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.code = code
        self.id = id


def unreadable(message: str) -> Refusal:
    """The frame is not JSON."""
    return Refusal("request.unreadable", message, code=PARSE_ERROR)


def malformed(message: str, *, id: int | None = None, kind: str = "request.malformed") -> Refusal:
    """The frame is JSON, and not a request as we take them."""
    return Refusal(kind, message, code=INVALID_REQUEST, id=id)


def unknown_method(method: str, *, hint: str | None, id: int) -> Refusal:
    """There is no such method."""
    return Refusal("request.unknown-method", f"there is no method {method!r}", code=METHOD_NOT_FOUND, hint=hint, id=id)


def invalid(message: str, *, hint: str | None = None, id: int | None = None) -> Refusal:
    """The params are not those of the method."""
    return Refusal("request.invalid", message, code=INVALID_PARAMS, hint=hint, id=id)


def forbidden(method: str, *, has: str, needs: str, id: int) -> Refusal:
    """The client's role does not suffice."""
    message = f"{method} takes the role '{needs}', and this client has '{has}'"
    return Refusal("auth.role", message, code=FAILED, hint="ask the daemon's owner: harness trust add NAME --role …", id=id)


def error_frame_of(id: int | None, error: HarnessError) -> dict[str, Any]:
    """An error as it stands on the wire: never a traceback, always a kind."""
    code = error.code if isinstance(error, Refusal) else FAILED
    data: dict[str, Any] = {}
    if isinstance(error, InvalidConfig):
        data["problems"] = [problem.to_json() for problem in error.problems]
    return error_frame(id, kind=error.kind, message=error.message, hint=error.hint, code=code, **data)
