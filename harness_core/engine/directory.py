"""Directory: what runs where and how it is reached, as records, and as others see it from where they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness_core.contracts.events import Applied, EndpointsChanged, Exited, HealthChanged, Started, StateChanged
from harness_core.contracts.place import LOCAL, Endpoint, Place
from harness_core.engine import resolve
from harness_core.engine.supervisor import Supervisor
from harness_core.template import Reference

KINDS = tuple(kind.kind for kind in (StateChanged, Started, Exited, HealthChanged, EndpointsChanged, Applied))
"""The events after which a record may be another."""


def record_of(supervisor: Supervisor) -> dict[str, Any]:
    """One service: its state, its place (None while a plugin is missing), and its endpoints with all their addresses."""
    return {
        "project": supervisor.project,
        "service": supervisor.name,
        "type": supervisor.config.type,
        "state": str(supervisor.state),
        "health": str(supervisor.health),
        "run": supervisor.run.id if supervisor.run else None,
        "place": _place(supervisor.place),
        "endpoints": [_endpoint(endpoint) for endpoint in supervisor.endpoints],
    }


def concerned_by(item: Mapping[str, Any], project: str | None) -> tuple[str | None, str | None]:
    """The project and service that an item of the bus is about; None: any, where events of `project` were missed."""
    if item["type"] != "event":
        return project, None
    return item["event"]["project"], item["event"]["service"]


def seen_from(viewer: Supervisor | None, target: Supervisor, endpoint: str | None) -> dict[str, Any]:
    """How `target` is reached by `viewer`, None: from this machine; raises Unresolved when it can't be.

    Without `endpoint`: by each of them; those that can't be reached from there have neither host nor port.
    """
    place = LOCAL if viewer is None else viewer.place
    if place is None:
        assert viewer is not None
        raise resolve.Unresolved(f"nobody can tell where {viewer.name!r} stands: its plugin is missing", hint="harness plugins")
    found = _oneself(target, endpoint) if viewer is target else _others(target, place, endpoint)
    return {
        "project": target.project,
        "service": target.name,
        "from": viewer.name if viewer else None,
        "place": _place(place),
        "endpoints": found,
    }


def _others(target: Supervisor, place: Place, endpoint: str | None) -> list[dict[str, Any]]:
    def value(reference: Reference) -> str:
        return resolve.value(reference, target.endpoints, place)

    asked = Reference(target.name, "url", endpoint)
    if target.run is None and not target.endpoints:
        raise resolve.not_running(asked, target.state)
    if endpoint is not None:
        value(asked)  # raises where there is none
    seen = []
    for one in target.endpoints:
        if endpoint in (None, one.name):
            reachable = resolve.pick_address(one, place) is not None
            seen.append(_seen(target.name, one.name, one.protocol, value if reachable else None))
    if not any(one["url"] for one in seen):
        value(asked)  # raises, and says why
    return seen


def _oneself(target: Supervisor, endpoint: str | None) -> list[dict[str, Any]]:
    """A service reaches itself on its inner ports, whether or not it runs."""

    def value(reference: Reference) -> str:
        return resolve.own_value(reference, target.known_ports)

    value(Reference(target.name, "url", endpoint))  # raises where there is none
    ports = [port for port in target.known_ports if endpoint in (None, port.name)]
    return [_seen(target.name, port.name, port.protocol, value) for port in ports]


def _seen(service: str, endpoint: str, protocol: str, value: Callable[[Reference], str] | None) -> dict[str, Any]:
    """An endpoint by the values of its references; `value` None: it can't be reached."""
    host, port, url = (value(Reference(service, what, endpoint)) if value else None for what in ("host", "port", "url"))
    return {"name": endpoint, "protocol": protocol, "host": host, "port": int(port) if port else None, "url": url}


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "protocol": endpoint.protocol,
        "addresses": [{"host": a.host, "port": a.port, "within": _place(a.within)} for a in endpoint.addresses],
    }


def _place(place: Place | None) -> Mapping[str, Any] | None:
    return None if place is None else {"host": place.host, "network": place.network}
