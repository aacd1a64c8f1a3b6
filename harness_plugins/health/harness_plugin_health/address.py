"""Where a probe connects: what the person wrote, completed by the service's own endpoints."""

from __future__ import annotations

from collections.abc import Sequence

from harness_core.contracts import Address, ConfigError, Endpoint

LOOPBACK = "127.0.0.1"


def own_address(endpoints: Sequence[Endpoint], *, prefer: Sequence[str] = ()) -> tuple[Endpoint, Address] | None:
    """The service's first endpoint with an address, one of the preferred protocols before all others."""
    reachable = [endpoint for endpoint in endpoints if endpoint.addresses]
    preferred = [endpoint for endpoint in reachable if endpoint.protocol in prefer]
    for endpoint in preferred or reachable:
        return endpoint, endpoint.addresses[0]
    return None


def port_number(value: int | str) -> int:
    """The port that a number or its digits stand for."""
    if isinstance(value, int) or (value.isascii() and value.isdigit()):
        number = int(value)
        if 1 <= number <= 65535:
            return number
    raise ConfigError(f"{value!r} is not a port", hint="write a number from 1 to 65535")


def split_address(text: str) -> tuple[str | None, int]:
    """Host and port of `host:port`, `[::1]:port` or a port alone."""
    host, colon, port = text.rpartition(":")
    if colon and not host:
        raise ConfigError(f"{text!r} has no host", hint="write host:port, or the port alone")
    return host.removeprefix("[").removesuffix("]") or None, port_number(port)


def address_text(host: str, port: int) -> str:
    """host:port as people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
