"""How services on this machine are reached."""

from __future__ import annotations

from collections.abc import Iterable

from harness_core.contracts.place import LOCAL, Address, Endpoint, Port


def local_endpoints(ports: Iterable[Port]) -> tuple[Endpoint, ...]:
    """One endpoint a port, on this machine's loopback."""
    return tuple(
        Endpoint(port.name, port.protocol, (Address(LOCAL.host_alias, port.outer or port.inner, within=LOCAL),)) for port in ports
    )
