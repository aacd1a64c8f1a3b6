"""References: what `${db.port}` means for the service that asks. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from harness_core.contracts.errors import ConfigError
from harness_core.contracts.place import Address, Endpoint, Place, Port
from harness_core.template import Reference

LOOPBACKS = frozenset({"127.0.0.1", "localhost", "::1"})


class Unresolved(ConfigError):
    """A reference has no value for this asker now."""

    kind = "reference.unresolved"


def published(ports: Sequence[Port], place: Place) -> tuple[Endpoint, ...]:
    """The endpoints that a service's ports imply when its executor does not say more."""
    return tuple(
        Endpoint(port.name, port.protocol, (Address("127.0.0.1", port.outer, within=Place(place.host)),))
        for port in ports
        if port.outer is not None
    )


def value(reference: Reference, endpoints: Sequence[Endpoint], asker: Place) -> str:
    """The text of a reference as seen by `asker`; raises Unresolved saying what to do."""
    endpoint = _pick_endpoint(reference, endpoints)
    address = pick_address(endpoint, asker)
    if address is None:
        raise Unresolved(
            f"{reference}: {reference.service!r} has no address that can be reached from host {asker.host!r}",
            hint="publish the port, or put both services into one network",
        )
    host = asker.host_alias if address.host in LOOPBACKS and address.within is not None else address.host
    shown = f"[{host}]" if ":" in host else host
    match reference.property:
        case "host":
            return host
        case "ip":
            return _numeric(host, reference)
        case "port":
            return str(address.port)
        case _:
            return f"{endpoint.protocol}://{shown}:{address.port}"


def not_running(reference: Reference, state: str) -> Unresolved:
    """The service that is asked for has no address, because it does not run."""
    hint = f"harness {'start' if state == 'stopped' else 'why'} {reference.service}"
    return Unresolved(f"{reference}: {reference.service!r} is {state}, so it has no address now", hint=hint)


def own_value(reference: Reference, ports: Sequence[Port]) -> str:
    """The text of a reference to oneself: the inner port, on one's own loopback."""
    named = [port for port in ports if reference.port in (None, port.name)]
    if reference.property in ("host", "ip"):
        return "127.0.0.1"
    if not named:
        raise Unresolved(f"{reference}: {reference.service!r} has no such port", hint="add it under `ports`")
    port = named[0]
    return str(port.inner) if reference.property == "port" else f"{port.protocol}://127.0.0.1:{port.inner}"


def pick_address(endpoint: Endpoint, asker: Place) -> Address | None:
    """The best address for the asker: same network, then same host, then one that is valid anywhere."""
    ranked = [
        (rank, index, address)
        for index, address in enumerate(endpoint.addresses)
        if (rank := _rank(address.within, asker)) is not None
    ]
    return min(ranked)[2] if ranked else None


def _rank(within: Place | None, asker: Place) -> int | None:
    if within is None:
        return 2
    if within.network is not None:
        return 0 if within.network == asker.network and within.host == asker.host else None
    return 1 if within.host == asker.host else None


def _pick_endpoint(reference: Reference, endpoints: Sequence[Endpoint]) -> Endpoint:
    for endpoint in endpoints:
        if reference.port in (None, endpoint.name):
            return endpoint
    known = ", ".join(e.name for e in endpoints)
    raise Unresolved(
        f"{reference}: {reference.service!r} has no {'endpoint ' + repr(reference.port) if reference.port else 'port'}"
        + (f"; known: {known}" if known else ""),
        hint=f"add one under `ports` of {reference.service!r}",
    )


def _numeric(host: str, reference: Reference) -> str:
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError as error:
        raise Unresolved(
            f"{reference}: the address of {reference.service!r} is the name {host!r}", hint=f"use ${{{reference.service}.host}}"
        ) from error
