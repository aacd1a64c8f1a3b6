"""A request that the keeper understood and declines."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """What goes back to the client: a ``kind`` for programs, a sentence for people, and details."""

    def __init__(self, kind: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.kind = kind
        self.details = details

    def to_wire(self) -> dict[str, Any]:
        """The error object of the wire."""
        return {"kind": self.kind, "message": str(self), **self.details}
