"""What a reference means for whoever asks."""

from __future__ import annotations

import pytest

from harness_core.contracts.place import Address, Endpoint, Place, Port
from harness_core.engine.resolve import Unresolved, own_value, pick_address, published, value
from harness_core.template import Reference

HERE, BOX = Place(), Place("box")
IN_NET = Place("local", network="net", host_alias="host.docker.internal")
OTHER_NET = Place("local", network="other", host_alias="host.docker.internal")
LOOPBACK = Address("127.0.0.1", 5432, within=HERE)
NETWORK = Address("db", 5432, within=IN_NET)
ANYWHERE = Address("db.example", 443)
ALL = Endpoint("sql", "postgres", (ANYWHERE, LOOPBACK, NETWORK))


def ask(what: str, endpoint: Endpoint, asker: Place, port: str | None = None) -> str:
    return value(Reference("db", what, port), [endpoint], asker)


@pytest.mark.parametrize(("asker", "address"), [(IN_NET, NETWORK), (HERE, LOOPBACK), (OTHER_NET, LOOPBACK), (BOX, ANYWHERE)])
def test_the_nearest_address_is_picked(asker: Place, address: Address) -> None:
    assert pick_address(ALL, asker) is address


def test_a_loopback_is_called_as_the_asker_calls_its_host() -> None:
    assert ask("url", ALL, HERE) == "postgres://127.0.0.1:5432"
    assert ask("url", ALL, OTHER_NET) == "postgres://host.docker.internal:5432"
    assert ask("host", ALL, IN_NET) == "db"
    assert ask("port", ALL, BOX, "sql") == "443"


def test_an_address_of_six_stands_in_brackets_in_a_url_only() -> None:
    endpoint = Endpoint("http", "http", (Address("fd00::1", 80),))

    assert ask("url", endpoint, HERE) == "http://[fd00::1]:80"
    assert ask("host", endpoint, HERE) == ask("ip", endpoint, HERE) == "fd00::1"


def test_what_has_no_value_says_what_to_do() -> None:
    only_here = Endpoint("sql", "postgres", (LOOPBACK,))

    with pytest.raises(Unresolved, match="no address that can be reached from host 'box'") as raised:
        ask("url", only_here, BOX)
    assert "publish the port" in (raised.value.hint or "")
    with pytest.raises(Unresolved, match="'db' has no endpoint 'web'; known: sql"):
        ask("url", only_here, HERE, "web")
    with pytest.raises(Unresolved, match="'db' has no port"):
        value(Reference("db", "port"), [], HERE)
    with pytest.raises(Unresolved, match=r"is the name 'db\.example'"):
        ask("ip", Endpoint("x", "tcp", (ANYWHERE,)), HERE)


def test_oneself_is_reached_on_the_inner_port() -> None:
    ports = [Port("http", 8080, 31000, "http"), Port("admin", 9000, None)]

    assert own_value(Reference("api", "url"), ports) == "http://127.0.0.1:8080"
    assert own_value(Reference("api", "port", "admin"), ports) == "9000"
    assert own_value(Reference("api", "host"), []) == "127.0.0.1"
    with pytest.raises(Unresolved, match="no such port"):
        own_value(Reference("api", "port", "x"), ports)


def test_published_ports_are_endpoints_on_the_host_and_others_are_not() -> None:
    [endpoint] = published([Port("http", 80, 8080, "http"), Port("inner", 1, None)], IN_NET)

    assert endpoint == Endpoint("http", "http", (Address("127.0.0.1", 8080, within=HERE),))
