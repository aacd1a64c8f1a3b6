"""Who may talk to whom: the CA of a state directory, the certificates it signed, and the roles of clients.

    trust/ca.pem        the CA's certificate        trust/ca-key.pem    its key: never leaves this folder
    trust/server.pem    the daemon's certificate and key
    trust/client.pem    the certificate and key of the person who owns the state directory
    trust/clients.json  fingerprint of a client certificate → {name, role, expires}

Each certificate file opens with a line of JSON about it, which TLS libraries skip: when it ends and which names it is for
is known without importing `cryptography` (50 ms), which is needed only to make new ones.
"""

from __future__ import annotations

import hashlib
import json
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness_core import private
from harness_core.contracts.errors import HarnessError

LIFETIME = 397 * 86400
"""Seconds that server and client certificates are good for; they are renewed at two thirds of it."""
CA_LIFETIME = 3650 * 86400
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class TrustBroken(HarnessError):
    """A file of the trust folder is missing or can't be used; the message names it."""

    kind = "trust.broken"


@dataclass(frozen=True, slots=True)
class KnownClient:
    """A client certificate that is accepted, until `expires` (seconds since 1970); `role` as in protocol.Role."""

    name: str
    role: str
    expires: float


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate, in hex."""
    return hashlib.sha256(der).hexdigest()


def fingerprint_of(path: Path) -> str:
    """The fingerprint of the certificate in a file."""
    text = path.read_text()
    begin = text.find("-----BEGIN CERTIFICATE-----")
    end = text.find("-----END CERTIFICATE-----")
    if begin < 0 or end < 0:
        raise TrustBroken(f"{path} holds no certificate", hint=_anew(path))
    return fingerprint(ssl.PEM_cert_to_DER_cert(text[begin : end + len("-----END CERTIFICATE-----")]))


def server_file(directory: Path) -> Path:
    """The daemon's certificate and key."""
    return directory / "trust" / "server.pem"


def client_file(directory: Path) -> Path:
    """The owner's certificate and key."""
    return directory / "trust" / "client.pem"


def ensure(directory: Path, *, owner: str, names: Iterable[str] = (), now: float | None = None) -> bool:
    """Make what is missing, renew what is due: CA, server certificate (for `names` too), the owner's client certificate.

    True when the server certificate is a new one. Two processes at once end up with one CA.
    """
    folder = directory / "trust"
    private.ensure_directory(folder)
    moment = time.time() if now is None else now
    with private.locked(folder / "lock"):
        if not (folder / "ca.pem").exists():
            _make_ca(folder, moment)
        wanted = sorted({*LOCAL_NAMES, *names})
        renewed = _due(server_file(directory), moment, wanted)
        if renewed:
            _issue(folder, "server.pem", "harness daemon", server=True, names=wanted, now=moment)
        if _due(client_file(directory), moment, ()) or not _knows_owner(directory, moment):
            _issue_owner(directory, owner, moment)
    for file in ("ca.pem", "ca-key.pem", "server.pem", "client.pem", "clients.json"):
        private.check(folder / file)
    return renewed


def validity(path: Path) -> tuple[float, float] | None:
    """From when until when a certificate of ours is good, in seconds since 1970; None where the file does not say."""
    facts = _facts(path)
    return (facts["from"], facts["until"]) if {"from", "until"} <= facts.keys() else None


def clients(directory: Path) -> dict[str, KnownClient]:
    """The client certificates that are accepted, by fingerprint."""
    path = directory / "trust" / "clients.json"
    try:
        return {key: KnownClient(**value) for key, value in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as e:
        raise TrustBroken(f"{path} can't be read: {e}", hint=_anew(path)) from e


def server_context(directory: Path) -> ssl.SSLContext:
    """TLS 1.3 as the daemon: clients must show a certificate of our CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    # A ticket per connection costs more than our few long connections would ever save.
    context.num_tickets = 0
    return _load(context, directory, server_file(directory))


def client_context(directory: Path) -> ssl.SSLContext:
    """TLS 1.3 as the owner of the state directory: the server must show a certificate of our CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return _load(context, directory, client_file(directory))


def reload_server(context: ssl.SSLContext, directory: Path) -> None:
    """Let new connections of a running daemon see its renewed certificate."""
    context.load_cert_chain(server_file(directory))


def _load(context: ssl.SSLContext, directory: Path, own: Path) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    ca = directory / "trust" / "ca.pem"
    for path, load in ((ca, context.load_verify_locations), (own, context.load_cert_chain)):
        try:
            load(path)
        except FileNotFoundError as e:
            raise TrustBroken(f"{path} is missing", hint="a daemon makes it when it starts: harness daemon start") from e
        except (ssl.SSLError, OSError) as e:
            raise TrustBroken(f"{path} can't be used: {e.strerror or e}", hint=_anew(path)) from e
    return context


def _anew(path: Path) -> str:
    return f"move {path.parent} away; the next daemon makes everything in it anew"


def _facts(path: Path) -> Mapping[str, Any]:
    """The line of JSON that a certificate file opens with; empty: there is none."""
    try:
        facts = json.loads(path.read_text().partition("\n")[0])
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _due(path: Path, now: float, names: Iterable[str]) -> bool:
    facts = _facts(path)
    if not facts or not set(names) <= set(facts["names"]):
        return True
    return bool(now >= facts["from"] + (facts["until"] - facts["from"]) * 2 / 3)


def _knows_owner(directory: Path, now: float) -> bool:
    known = clients(directory).get(fingerprint_of(client_file(directory)))
    return known is not None and known.expires > now


def _issue_owner(directory: Path, owner: str, now: float) -> None:
    """A new certificate for the owner. The one before stays accepted until its end: somebody may just be using it."""
    folder = directory / "trust"
    new = folder / "client.pem.new"
    new.unlink(missing_ok=True)
    _issue(folder, new.name, owner, server=False, names=(), now=now)
    known = {key: client for key, client in clients(directory).items() if client.expires > now}
    known[fingerprint_of(new)] = KnownClient(owner, "admin", now + LIFETIME)
    private.replace(folder / "clients.json", json.dumps({k: asdict(c) for k, c in known.items()}, indent=1).encode())
    new.replace(client_file(directory))


def _make_ca(folder: Path, now: float) -> None:
    from harness_core import certificates

    # Key first: a CA whose key is missing could never sign, a key without a CA is simply replaced.
    key, certificate = certificates.make_ca(now, CA_LIFETIME)
    private.replace(folder / "ca-key.pem", key)
    private.replace(folder / "ca.pem", certificate)


def _issue(folder: Path, file: str, name: str, *, server: bool, names: Iterable[str], now: float) -> None:
    from harness_core import certificates

    authority = folder / "ca-key.pem"
    try:
        ca = ((folder / "ca.pem").read_bytes(), authority.read_bytes())
        pem = certificates.issue(ca, name, server=server, names=names, now=now, lifetime=LIFETIME)
    except (OSError, ValueError) as e:
        raise TrustBroken(f"{authority} can't be used to sign: {e}", hint=_anew(authority)) from e
    facts = {"name": name, "from": now, "until": now + LIFETIME, "names": sorted(names)}
    private.replace(folder / file, json.dumps(facts).encode() + b"\n" + pem)
