"""The http check: healthy when a URL answers with an expected status."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from harness_core.contracts import Context, Health, HealthCheck, Target
from harness_plugin_health.address import address_text
from harness_plugin_health.excerpt import first_words
from harness_plugin_health.hangup import hang_up
from harness_plugin_health.http_request import HttpRequest, request_from, without_userinfo
from harness_plugin_health.http_response import MAX_BODY, BadAnswer, HttpResponse
from harness_plugin_health.tls import TrustStore
from harness_plugin_health.trouble import connection_trouble

EXCUSE_BYTES = 2048
EXCUSE_PATIENCE = 1.0
"""How much of an unwelcome answer is read for the detail, and for how long."""


class HttpCheck(HealthCheck):
    """Sends one request at each probe; redirects are an answer like any other and not followed."""

    def __init__(self, context: Context) -> None:
        self._trust = TrustStore(context)

    async def probe(self, config: Any, target: Target) -> Health:
        """Healthy when the status is an expected one and, with `body`, that text is in the answer."""
        options: Mapping[str, Any] = config if isinstance(config, dict) else {}
        request = request_from(config, target.endpoints)
        address = address_text(request.host, request.port)
        try:
            return await self._ask(request, options, target)
        except OSError as error:
            return Health(False, connection_trouble(error, address))
        except BadAnswer as error:
            return Health(False, f"{address}: {error}")

    def describe(self, config: Any) -> str:
        """The URL without user and password."""
        if not isinstance(config, dict):
            return f"http {without_userinfo(config)}"
        parts = [f"{key} {config[key]}" for key in ("scheme", "host", "port", "path") if key in config]
        return " ".join(["http", *([without_userinfo(config["url"])] if "url" in config else []), *parts])

    async def _ask(self, request: HttpRequest, options: Mapping[str, Any], target: Target) -> Health:
        trust = None
        if request.scheme == "https":
            trust = await self._trust.client(verify=options.get("verify", True), ca=options.get("ca"))
        reader, writer = await target.dial(request.host, request.port)
        async with hang_up(writer):
            if trust:
                await writer.start_tls(trust, server_hostname=request.host)
            writer.write(request.encode())
            await writer.drain()
            response = await HttpResponse.read(reader, request.method)
            if not is_expected(response.status, options.get("status", ("2xx", "3xx"))):
                return Health(False, await _excuse(response))
            if (wanted := options.get("body")) and not await _body_contains(wanted, response):
                where = f"in the first {MAX_BODY // 1024} KiB of its body"
                return Health(False, f"status {response.status}, but no {wanted!r} {where}")
            return Health(True, f"status {response.status}")


def is_expected(status: int, wanted: Any) -> bool:
    """Whether a status is one of the wanted: a number, `2xx`, or a list of those."""
    if isinstance(wanted, list | tuple):
        return any(is_expected(status, one) for one in wanted)
    text = str(wanted)
    return str(status // 100) == text[0] if text.endswith("xx") else str(status) == text


async def _excuse(response: HttpResponse) -> str:
    # What the service says of itself is worth a short wait; its status alone is an answer too.
    said = bytearray()
    with suppress(OSError, BadAnswer):
        async with asyncio.timeout(EXCUSE_PATIENCE):
            async for block in response.body():
                said += block
                if len(said) >= EXCUSE_BYTES:
                    break
    text = first_words(bytes(said))
    return f"status {response.status}: {text}" if text else f"status {response.status}"


async def _body_contains(text: str, response: HttpResponse) -> bool:
    wanted, body = text.encode(), bytearray()
    async for block in response.body():
        # A match may begin in the block before.
        start = max(0, len(body) - len(wanted))
        body += block
        if body.find(wanted, start) >= 0:
            return True
    return False
