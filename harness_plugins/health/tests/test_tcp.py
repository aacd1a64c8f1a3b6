import asyncio

import pytest

from harness_core.contracts import Address, ConfigError, Endpoint
from harness_plugin_health.tcp import TcpCheck, destination


@pytest.fixture
def probe(run, serving, target_at):
    def probe(answer, config):
        async def once():
            async with serving(answer) as server:
                return await TcpCheck().probe(config(server.port) if callable(config) else config, target_at(server.endpoint()))

        return run(once())

    return probe


async def _redis(reader, writer):
    while line := await reader.readline():
        writer.write(b"+PO" if line == b"PING\r\n" else b"-ERR unknown\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(b"NG\r\n" if line == b"PING\r\n" else b"")


@pytest.mark.parametrize(
    "config",
    [
        lambda port: port,
        lambda port: str(port),
        lambda port: f"127.0.0.1:{port}",
        lambda port: {"port": port},
        lambda port: {"port": str(port), "host": "localhost"},
        lambda port: {"port": port, "timeout": 5},
        {},
    ],
)
def test_a_port_that_takes_a_connection_is_healthy(probe, config):
    assert probe(_redis, config).healthy


def test_an_expected_answer_may_come_in_pieces(probe):
    assert probe(_redis, {"send": "PING\r\n", "expect": "+PONG"}).detail == "answered '+PONG'"


def test_a_half_closed_answer_without_the_expected_text_is_unhealthy(probe):
    async def half_closed(reader, writer):
        writer.write(b"go away")
        writer.write_eof()
        await reader.read()

    health = probe(half_closed, {"expect": "welcome"})

    assert (health.healthy, health.detail) == (False, "closed without 'welcome'; got 'go away'")


def test_an_endless_answer_is_read_up_to_its_cap(probe):
    async def flood(reader, writer):
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        except ConnectionError:
            pass  # the probe has hung up

    assert probe(flood, {"expect": "y"}).detail == "no 'y' in the first 64 KiB"


def test_the_older_timeout_bounds_the_attempt(run, serving, target_at):
    async def silent(reader, writer):
        await reader.read()

    async def once():
        async with serving(silent) as server:
            health = await TcpCheck().probe({"expect": "x", "timeout": 0.05}, target_at(server.endpoint()))
            await server.closed.wait()
            return health, server.port

    health, port = run(once())

    assert (health.healthy, health.detail) == (False, f"timed out at 127.0.0.1:{port}")


def test_a_good_probe_hangs_up_by_itself_and_at_once(probe, monkeypatch):
    # Without a polite end of ours it would sit out its patience with the other side's.
    monkeypatch.setattr("harness_plugin_health.hangup.PATIENCE", 60)

    assert probe(_redis, {}).healthy


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nobody_there_is_a_refused_connection(run, serving, target_at, host):
    async def once():
        async with serving(_redis) as server:
            pass
        return await TcpCheck().probe(f"{host}:{server.port}", target_at()), server.port

    health, port = run(once())

    assert (health.healthy, health.detail) == (False, f"connection refused by {host}:{port}")


def test_an_unknown_host_is_named(run, target_at):
    health = run(TcpCheck().probe("nobody.invalid:80", target_at()))

    assert not health.healthy
    assert health.detail.startswith("no address for nobody.invalid:80: ")


def test_the_first_endpoint_completes_what_is_written():
    endpoints = [Endpoint("unpublished", "tcp", ()), Endpoint("main", "tcp", (Address("10.0.0.1", 5432),))]

    assert destination({}, endpoints) == ("10.0.0.1", 5432)
    assert destination({"port": 1}, endpoints) == ("10.0.0.1", 1)
    assert destination({"host": "h"}, endpoints) == ("h", 5432)
    assert destination({"port": 1}, []) == ("127.0.0.1", 1)


@pytest.mark.parametrize(
    ("config", "message"), [("host:x", "'x' is not a port"), (":80", "':80' has no host"), ({}, "knows no port")]
)
def test_an_address_that_cannot_be_is_a_config_error(run, target_at, config, message):
    with pytest.raises(ConfigError, match=message):
        run(TcpCheck().probe(config, target_at()))


def test_an_ipv6_address_stands_in_brackets(run, target_at):
    health = run(TcpCheck().probe("[::1]:1", target_at()))

    assert not health.healthy
    assert "[::1]:1" in health.detail


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (6379, "tcp 6379"), ("${db.host}:${db.port}", "tcp ${db.host}:${db.port}"), ({"port": 1}, "tcp port 1"),
        ({"port": 1, "host": "h"}, "tcp h:1"), ({}, "tcp, its first port"), ({"host": "h"}, "tcp h, its first port"),
    ],
)  # fmt: skip
def test_it_is_described_before_templates_are_rendered(config, text):
    assert TcpCheck().describe(config) == text
