"""Templates: strings with `$$` for a dollar and `${service.property}` for a reference.

Variables (`${NAME}`) are resolved by `config.interpolate` where the person is; what is left in canonical JSON is this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PROPERTIES = ("host", "ip", "port", "url")
"""What a reference may ask for; `port` and `url` may be followed by the name of a port."""

_PATTERN = re.compile(r"\$(?:\$|\{([a-z0-9][a-z0-9_.-]*?)\.(host|ip|port|url)(?:\.([A-Za-z0-9_-]+))?\})")


@dataclass(frozen=True, slots=True)
class Reference:
    """`${service.property}` or `${service.property.port_name}`."""

    service: str
    property: str
    port: str | None = None

    def __str__(self) -> str:
        return "${" + ".".join(p for p in (self.service, self.property, self.port) if p) + "}"


def escape(text: str) -> str:
    """A template that renders to `text`."""
    return text.replace("$", "$$")


def references(value: Any) -> Iterator[Reference]:
    """Every reference in a JSON value, keys included."""
    if isinstance(value, str):
        for match in _PATTERN.finditer(value):
            if match[1] is not None:
                yield Reference(match[1], match[2], match[3])
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from references(key)
            yield from references(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from references(item)


def render(value: Any, resolve: Callable[[Reference], str]) -> Any:
    """The JSON value with every template rendered; what `resolve` raises goes through."""
    if isinstance(value, str):
        if "$" not in value:
            return value
        return _PATTERN.sub(lambda m: "$" if m[1] is None else resolve(Reference(m[1], m[2], m[3])), value)
    if isinstance(value, Mapping):
        return {render(key, resolve): render(item, resolve) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [render(item, resolve) for item in value]
    return value
