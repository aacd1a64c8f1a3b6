"""Hanging up: no connection of a probe outlives the probe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

PATIENCE = 0.5
"""Seconds for a polite end; a TLS peer that never says goodbye would take 30."""


@asynccontextmanager
async def hang_up(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Closes the connection on the way out: politely when all went well, else at once."""
    polite = False
    try:
        yield
        polite = True
    finally:
        writer.close()
        if polite:
            # The service may have reset it already, or may not answer: either way it is over.
            with suppress(OSError):
                async with asyncio.timeout(PATIENCE):
                    await writer.wait_closed()
        writer.transport.abort()
