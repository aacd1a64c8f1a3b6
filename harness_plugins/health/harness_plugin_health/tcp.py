"""The tcp check: healthy when a port takes a connection, and answers as expected where that was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from harness_core.contracts import ConfigError, Endpoint, Health, HealthCheck, Target
from harness_plugin_health.address import LOOPBACK, address_text, own_address, port_number, split_address
from harness_plugin_health.excerpt import first_words
from harness_plugin_health.hangup import hang_up
from harness_plugin_health.trouble import connection_trouble

MAX_ANSWER = 64 * 1024


class TcpCheck(HealthCheck):
    """Connects at each probe; optionally sends a text and waits for another."""

    async def probe(self, config: Any, target: Target) -> Health:
        """Healthy when connected and, with `expect`, when that text came back."""
        options = _options(config)
        host, port = destination(options, target.endpoints)
        address = address_text(host, port)
        try:
            async with asyncio.timeout(options.get("timeout")):
                return await self._converse(host, port, options, target)
        except OSError as error:
            return Health(False, connection_trouble(error, address))

    def describe(self, config: Any) -> str:
        """The address, as far as it is written."""
        if not isinstance(config, dict):
            return f"tcp {config}"
        host, port = config.get("host"), config.get("port")
        if port is None:
            return f"tcp {host}, its first port" if host else "tcp, its first port"
        return f"tcp {host}:{port}" if host else f"tcp port {port}"

    async def _converse(self, host: str, port: int, options: Mapping[str, Any], target: Target) -> Health:
        reader, writer = await target.dial(host, port)
        async with hang_up(writer):
            if send := options.get("send"):
                writer.write(send.encode())
                await writer.drain()
            if not (expect := options.get("expect")):
                return Health(True, f"connected to {address_text(host, port)}")
            return await _expect(expect, reader)


def destination(options: Mapping[str, Any], endpoints: Sequence[Endpoint]) -> tuple[str, int]:
    """Host and port to connect to."""
    own = own_address(endpoints)
    host = options.get("host") or (own[1].host if own else LOOPBACK)
    if (port := options.get("port")) is not None:
        return host, port_number(port)
    if own is None:
        raise ConfigError("the tcp check knows no port: the service has no endpoint", hint="write `tcp: PORT`")
    return host, own[1].port


def _options(config: Any) -> Mapping[str, Any]:
    if isinstance(config, dict):
        return config
    if isinstance(config, int):
        return {"port": config}
    host, port = split_address(config)
    return {"host": host, "port": port}


async def _expect(text: str, reader: asyncio.StreamReader) -> Health:
    wanted, answer = text.encode(), bytearray()
    while len(answer) < MAX_ANSWER:
        # A match may begin in the block before.
        start = max(0, len(answer) - len(wanted))
        block = await reader.read(MAX_ANSWER - len(answer))
        answer += block
        if answer.find(wanted, start) >= 0:
            return Health(True, f"answered {first_words(bytes(answer))!r}")
        if not block:
            got = f"got {first_words(bytes(answer))!r}" if answer else "got nothing"
            return Health(False, f"closed without {text!r}; {got}")
    return Health(False, f"no {text!r} in the first {MAX_ANSWER // 1024} KiB")
