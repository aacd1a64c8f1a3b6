"""TrustStore: TLS settings for https probes, loaded once and again when the file behind them changes."""

from __future__ import annotations

import os
import ssl

from harness_core.contracts import ConfigError, Context

LOAD_TIMEOUT = 10.0


class TrustStore:
    """Client contexts by what they trust."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._loaded: dict[tuple[bool, str | None, int], ssl.SSLContext] = {}

    async def client(self, *, verify: bool, ca: str | None) -> ssl.SSLContext:
        """A context that trusts the authorities in `ca`, else the system's; or anybody, without `verify`."""
        # Reading the system's bundle takes tens of milliseconds: neither at each probe nor on the event loop.
        key = (verify, ca, _changed_at(ca))
        if key not in self._loaded:
            loaded = await self._context.blocking(_load, verify, ca, timeout=LOAD_TIMEOUT)
            self._loaded = {k: v for k, v in self._loaded.items() if k[:2] != key[:2]} | {key: loaded}
        return self._loaded[key]


def _changed_at(ca: str | None) -> int:
    if ca is None:
        return 0
    try:
        return os.stat(ca).st_mtime_ns
    except OSError as error:
        message = f"cannot read the authorities in {ca}: {error.strerror}"
        raise ConfigError(message, hint="check `ca` of the http check") from error


def _load(verify: bool, ca: str | None) -> ssl.SSLContext:
    if not verify:
        return _trusting_anybody()
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise ConfigError(f"no certificates could be read from {ca}: {error}", hint="`ca` is a PEM file") from error


def _trusting_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
