"""HttpRequest: what an http check asks, made from its config and the service's own endpoints."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from harness_core.contracts import ConfigError, Endpoint
from harness_plugin_health.address import LOOPBACK, address_text, own_address, port_number

DEFAULT_PORTS = {"http": 80, "https": 443}

_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"[^\x00-\x20\x7f/?#@\\]+")
_USERINFO = re.compile(r"(?<=//)[^/?#]*@")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, ready to be sent."""

    scheme: str
    host: str
    port: int
    method: str
    target: str
    """path and query"""
    headers: Mapping[str, str] = field(repr=False)

    def encode(self) -> bytes:
        """The request as it stands on the wire."""
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join([*lines, "", ""]).encode()


def request_from(config: Any, endpoints: Sequence[Endpoint]) -> HttpRequest:
    """The request that a URL, a path or a mapping stands for."""
    options: Mapping[str, Any] = config if isinstance(config, dict) else {"url": config}
    url = _split(options.get("url", ""))
    own = own_address(endpoints, prefer=tuple(DEFAULT_PORTS))
    scheme = options.get("scheme") or url.scheme or (own[0].protocol if own and own[0].protocol in DEFAULT_PORTS else "http")
    host = options.get("host") or url.hostname or (own[1].host if own else LOOPBACK)
    if not _HOST.fullmatch(host):
        raise ConfigError(f"{host!r} is not a host", hint="write a name or an address")
    if (written := options.get("port", url.port)) is not None:
        port = port_number(written)
    elif url.hostname:
        port = DEFAULT_PORTS[scheme]
    elif own:
        port = own[1].port
    else:
        raise ConfigError("the http check knows no port: the service has no endpoint", hint="write `http: {port: PORT}`")
    method = options.get("method", "GET")
    path = options.get("path") or (url.path or "/") + (f"?{url.query}" if url.query else "")
    return HttpRequest(scheme, host, port, method, _quoted(path), _headers(options, url, method, _authority(scheme, host, port)))


def without_userinfo(url: str) -> str:
    """The URL as it may be shown."""
    return _USERINFO.sub("", url)


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise ConfigError(f"{without_userinfo(text)!r} is not a URL: {error}", hint="write http://host:port/path") from error
    if url.scheme not in DEFAULT_PORTS and text and not text.startswith("/"):
        raise ConfigError(f"{without_userinfo(text)!r} is not an http or https URL", hint="write http://host:port/path, or /path")
    if url.scheme and not url.hostname:
        raise ConfigError(f"{without_userinfo(text)!r} has no host", hint="write http://host:port/path, or /path")
    return url


def _headers(options: Mapping[str, Any], url: SplitResult, method: str, authority: str) -> dict[str, str]:
    headers = {
        "Host": authority,
        "User-Agent": "harness-health",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = "0"
    if url.username is not None:
        login = f"{unquote(url.username)}:{unquote(url.password or '')}"
        headers["Authorization"] = "Basic " + b64encode(login.encode()).decode()
    names = {name.lower(): name for name in headers}
    for name, value in options.get("headers", {}).items():
        if _UNSAFE.search(str(value)):
            raise ConfigError(f"header {name!r} of the http check has a control character", hint="write it on one line")
        headers.pop(names.get(name.lower(), ""), None)
        headers[name] = str(value)
    return headers


def _authority(scheme: str, host: str, port: int) -> str:
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise ConfigError(f"{host!r} is not a host: {error}", hint="write a name or an address") from error
    if port == DEFAULT_PORTS[scheme]:
        return f"[{name}]" if ":" in name else name
    return address_text(name, port)


def _quoted(path: str) -> str:
    # Already quoted parts stay as they are; spaces, control characters and letters beyond ASCII are quoted.
    return quote(path, safe="/%:@!$&'()*+,;=?~[]|")
