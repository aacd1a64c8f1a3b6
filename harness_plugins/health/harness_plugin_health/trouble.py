"""Trouble: why a connection failed, in words for people."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl

_ERRNO = re.compile(r"\[Errno (\d+)\]")


def connection_trouble(error: OSError, address: str) -> str:
    """What went wrong between us and an address."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"the certificate of {address} is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"{address} does not speak TLS as expected: {(error.reason or str(error)).lower().replace('_', ' ')}"
        case socket.gaierror():
            return f"no address for {address}: {error.strerror or error}"
        case TimeoutError():
            return f"timed out at {address}"
    number = _number(error)
    if number == errno.ECONNREFUSED:
        return f"connection refused by {address}"
    if number == errno.ECONNRESET:
        return f"connection reset by {address}"
    return f"{os.strerror(number) if number else str(error) or type(error).__name__}: {address}"


def _number(error: OSError) -> int | None:
    # A name with several addresses fails with one OSError that has the reasons in its text alone.
    numbers = {error.errno} if error.errno else {int(n) for n in _ERRNO.findall(str(error))}
    return numbers.pop() if len(numbers) == 1 else None
