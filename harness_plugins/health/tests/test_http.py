import asyncio

import pytest

from harness_core.contracts import ConfigError
from harness_core.testing import FakeContext
from harness_plugin_health.http import HttpCheck, is_expected
from harness_plugin_health.http_request import request_from

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def probe(run, serving, target_at):
    """What an http check finds at a server that answers so; `config` as written beside the server's endpoint."""

    def probe(answer, config=None, *, tls=None, protocol="http"):
        async def once():
            async with FakeContext() as context, serving(answer, tls=tls) as server:
                written = {"port": server.port} if config is None else config
                probe.server = server
                return await HttpCheck(context).probe(written, target_at(server.endpoint(protocol=protocol)))

        return run(once())

    return probe


def test_an_expected_status_is_healthy(probe):
    health = probe(OK)

    assert (health.healthy, health.detail, health.latch) == (True, "status 200", False)


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (204, True), (302, True), (399, True), (400, False), (503, False)])
def test_by_default_200_to_399_are_healthy(probe, status, healthy):
    assert probe(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status).healthy is healthy


@pytest.mark.parametrize(
    ("wanted", "status", "expected"),
    [
        (200, 200, True), (200, 204, False), ("200", 200, True), ("2xx", 299, True), ("2xx", 302, False),
        ([200, "4xx"], 404, True), ([200, "4xx"], 500, False), ("2xx", 20, False),
    ],
)  # fmt: skip
def test_a_status_is_a_number_a_class_or_a_list(wanted, status, expected):
    assert is_expected(status, wanted) is expected


def test_an_unwelcome_status_says_what_the_service_said(probe):
    health = probe(b"HTTP/1.1 503 Busy\r\nContent-Length: 30\r\n\r\n\x1b[31mdatabase\x1b[0m\nis not there")

    assert (health.healthy, health.detail) == (False, "status 503: database is not there")


def test_the_service_s_words_are_cut_to_200_characters(probe):
    health = probe(b"HTTP/1.0 500 X\r\n\r\n" + b"e" * 100_000)

    assert health.detail == "status 500: " + "e" * 199 + "…"


def test_an_unwelcome_status_whose_body_never_comes_is_told_without_it(probe):
    async def stall(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 X\r\nContent-Length: 10\r\n\r\nhal")
        await reader.read()

    assert probe(stall).detail == "status 500: hal"


def test_a_good_status_needs_no_body(probe):
    async def endless(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await reader.read()

    assert probe(endless).healthy


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nall systems go!", True),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000 + b"systems go", True),
        (CHUNKED + b"4\r\nsyst\r\n6;ext=1\r\nems go\r\n0\r\nTrailer: x\r\n\r\n", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nsystems go", True),
        (b"HTTP/1.1 200 OK\n\nsystems go", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsystems go", False),
        (b"HTTP/1.1 204 None\r\n\r\nsystems go", False),
    ],
)
def test_the_body_is_searched_for_a_text(probe, answer, healthy):
    assert probe(answer, {"body": "systems go"}).healthy is healthy


def test_no_more_than_a_mebibyte_of_body_is_read(probe):
    health = probe(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (1 << 20) + b"ready", {"body": "ready"})

    assert (health.healthy, health.detail) == (False, "status 200, but no 'ready' in the first 1024 KiB of its body")


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"", "closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH_9\r\n", "not an HTTP answer: 'SSH-2.0-OpenSSH_9'"),
        (b"\x00\xff" * 5000, "not an HTTP answer"),
        (b"HTTP/1.1 OK\r\n\r\n", "not an HTTP answer: 'HTTP/1.1 OK'"),
        (b"HTTP/1.1 999 OK\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nServer", "broke off in its headers"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", "headers are longer than 64 KiB"),
        (b"HTTP/1.1 200 " + b"a" * 70_000, "headers are longer than 64 KiB"),
        (b"HTTP/1.1 100 Go\r\n\r\n" * 5000, "headers are longer than 64 KiB"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length is not a number: '-1'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", "broke off in its body"),
        (CHUNKED + b"zz\r\n", "a chunk of the answer has no size: 'zz'"),
        (CHUNKED + b"5" * 2000, "a chunk of the answer has no size"),
        (CHUNKED + b"2\r\nabcd\r\n0\r\n\r\n", "a chunk of the answer is longer than it says"),
        (CHUNKED + b"ffffff\r\nabc", "broke off in its body"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "answered in TLS: write https"),
    ],
)
def test_a_bad_answer_is_unhealthy_and_named(probe, answer, detail):
    health = probe(answer, {"body": "never"})

    assert not health.healthy
    assert detail in health.detail


def test_nobody_there_is_a_refused_connection(run, serving, target_at):
    async def once():
        async with FakeContext() as context:
            async with serving(OK) as server:
                pass
            return await HttpCheck(context).probe(f"http://127.0.0.1:{server.port}/", target_at()), server.port

    health, port = run(once())

    assert (health.healthy, health.detail) == (False, f"connection refused by 127.0.0.1:{port}")


def test_a_silent_server_is_left_when_core_s_time_is_up(run, serving, target_at):
    async def silent(reader, writer):
        await reader.read()
        assert (await reader.read()) == b""

    async def once():
        async with FakeContext() as context, serving(silent) as server:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await HttpCheck(context).probe({"port": server.port}, target_at())
            await server.closed.wait()

    run(once())


def test_the_request_says_what_was_configured(probe):
    config = {"path": "/a b?q=ü", "method": "POST", "headers": {"host": "shop.test", "X-Number": 7}}

    assert probe(OK, config).healthy
    lines = probe.server.requests[0].decode().split("\r\n")
    assert lines[0] == "POST /a%20b?q=%C3%BC HTTP/1.1"
    assert {"host: shop.test", "X-Number: 7", "Content-Length: 0", "Connection: close"} <= set(lines)
    assert not any(line.startswith("Host:") for line in lines)


def test_a_head_request_has_no_body(probe):
    assert probe(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", {"method": "HEAD", "body": "x"}).detail.startswith(
        "status 200, but"
    )


def test_user_and_password_are_sent_and_never_shown(run, serving, target_at):
    async def once():
        async with FakeContext() as context, serving(b"HTTP/1.1 401 No\r\n\r\n") as server:
            check, url = HttpCheck(context), f"http://me:s%40cret@127.0.0.1:{server.port}/x"
            return await check.probe(url, target_at()), server, [check.describe(url), check.describe({"url": url, "path": "/y"})]

    health, server, described = run(once())

    assert b"Authorization: Basic bWU6c0BjcmV0\r\n" in server.requests[0]
    assert described == [f"http http://127.0.0.1:{server.port}/x", f"http http://127.0.0.1:{server.port}/x path /y"]
    assert "s%40cret" not in health.detail


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("/health", ("http", "10.0.0.1", 8080, "/health")),
        ({}, ("http", "10.0.0.1", 8080, "/")),
        ({"port": "81", "host": "h", "scheme": "https", "path": "/x?y"}, ("https", "h", 81, "/x?y")),
        ("http://h", ("http", "h", 80, "/")),
        ("https://h/x?y=1#z", ("https", "h", 443, "/x?y=1")),
        ({"url": "http://h:81/x", "path": "/y", "port": 82}, ("http", "h", 82, "/y")),
        ("http://[::1]:81/", ("http", "::1", 81, "/")),
    ],
)
def test_what_is_not_written_is_taken_from_the_service_s_http_endpoint(config, expected):
    from harness_core.contracts import Address, Endpoint

    endpoints = [
        Endpoint("db", "tcp", (Address("10.0.0.2", 5432),)),
        Endpoint("none", "http", ()),
        Endpoint("web", "http", (Address("10.0.0.1", 8080),)),
    ]

    request = request_from(config, endpoints)

    assert (request.scheme, request.host, request.port, request.target) == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "knows no port"),
        ("localhost:80/x", "'localhost:80/x' is not an http or https URL"),
        ("ftp://me:secret@h/", "'ftp://h/' is not an http or https URL"),
        ("http://h:99999/", "is not a URL"),
        ("http:///x", "has no host"),
        ("http://[::1/", "is not a URL"),
        ({"port": "x"}, "'x' is not a port"),
        ({"port": 0}, "0 is not a port"),
        ({"port": 80, "host": "a b"}, "'a b' is not a host"),
        ({"port": 80, "host": "é" * 70}, "is not a host"),
        ({"port": 80, "headers": {"X": "a\r\nEvil: 1"}}, "header 'X' of the http check has a control character"),
    ],
)
def test_what_cannot_be_asked_is_a_config_error_with_a_hint(config, message):
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")) as caught:
        request_from(config, [])

    assert caught.value.hint
    assert "secret" not in str(caught.value)


def test_https_is_trusted_by_its_own_authority_alone(probe, certificate):
    trusted = probe(OK, {"scheme": "https", "ca": str(certificate.file)}, tls=certificate.server)
    stranger = probe(OK, {"scheme": "https"}, tls=certificate.server)
    unverified = probe(OK, {"scheme": "https", "verify": False}, tls=certificate.server)

    assert trusted.detail == unverified.detail == "status 200"
    assert not stranger.healthy
    assert "is not trusted: self-signed certificate" in stranger.detail


def test_an_https_endpoint_is_asked_in_tls(probe, certificate):
    body = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 900_000 + b"ready"

    assert probe(body, {"path": "/", "verify": False, "body": "ready"}, tls=certificate.server, protocol="https").healthy


def test_a_certificate_for_another_host_is_refused(run, serving, target_at, certificate):
    async def once():
        async with FakeContext() as context, serving(OK, tls=certificate.server) as server:
            config = {"url": f"https://localhost:{server.port}/", "ca": str(certificate.file)}
            return await HttpCheck(context).probe(config, target_at())

    assert "not trusted: Hostname mismatch" in run(once()).detail


def test_https_to_a_plain_server_says_so(probe):
    async def plain(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    health = probe(plain, {"scheme": "https", "verify": False})

    assert (health.healthy, health.detail.split(" ", 1)[1]) == (False, "does not speak TLS as expected: wrong version number")


def test_plain_http_to_a_tls_server_says_so(probe, certificate):
    assert not probe(OK, tls=certificate.server).healthy


@pytest.mark.parametrize("content", [None, b"not a certificate"])
def test_an_unreadable_ca_is_named(probe, tmp_path, content):
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_bytes(content)

    with pytest.raises(ConfigError, match=str(ca)):
        probe(OK, {"scheme": "https", "ca": str(ca)})


def test_a_renewed_ca_is_read_again(run, serving, target_at, certificate, tmp_path):
    import os

    ca = tmp_path / "ca.pem"
    ca.write_bytes(certificate.file.read_bytes())

    async def twice():
        async with FakeContext() as context, serving(OK, tls=certificate.server) as server:
            check, config = HttpCheck(context), {"url": f"https://127.0.0.1:{server.port}/", "ca": str(ca)}
            assert (await check.probe(config, target_at())).healthy
            ca.write_bytes(b"renewed, badly")
            os.utime(ca, ns=(1, 1))
            with pytest.raises(ConfigError, match="no certificates could be read"):
                await check.probe(config, target_at())

    run(twice())
