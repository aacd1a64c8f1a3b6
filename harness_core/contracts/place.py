"""Place, Address, Endpoint: where a service stands and how others reach it from where they stand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service stands. `host_alias` is the name by which things there reach their host's loopback."""

    host: str = "local"
    network: str | None = None
    host_alias: str = "127.0.0.1"


LOCAL = Place()


@dataclass(frozen=True, slots=True)
class Address:
    """A host and port that are valid `within` a place; None means anywhere."""

    host: str
    port: int
    within: Place | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A named way to talk to a service, with one address per viewpoint. `protocol` is a URL scheme such as `http` or `tcp`."""

    name: str
    protocol: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a service listens on: `inner` where it stands, `outer` on the host that publishes it (None: not published)."""

    name: str
    inner: int
    outer: int | None
    protocol: str = "tcp"
