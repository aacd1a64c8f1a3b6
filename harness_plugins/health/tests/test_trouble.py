import errno
import socket

import pytest

from harness_plugin_health.trouble import connection_trouble

REFUSED = "[Errno 111] Connect call failed"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection refused by db:1"),
        (OSError(f"Multiple exceptions: {REFUSED} ('::1', 1), {REFUSED} ('127.0.0.1', 1)"), "connection refused by db:1"),
        (
            OSError(f"Multiple exceptions: {REFUSED} ('::1', 1), [Errno 101] y"),
            f"Multiple exceptions: {REFUSED} ('::1', 1), [Errno 101] y: db:1",
        ),
        (ConnectionResetError(errno.ECONNRESET, "x"), "connection reset by db:1"),
        (OSError(errno.EHOSTUNREACH, "x"), "No route to host: db:1"),
        (TimeoutError(errno.ETIMEDOUT, "x"), "timed out at db:1"),
        (socket.gaierror(-2, "Name or service not known"), "no address for db:1: Name or service not known"),
        (ConnectionAbortedError("TLS handshake took too long"), "TLS handshake took too long: db:1"),
        (ConnectionResetError(), "ConnectionResetError: db:1"),
    ],
)
def test_every_failure_is_said_in_words(error, words):
    assert connection_trouble(error, "db:1") == words
