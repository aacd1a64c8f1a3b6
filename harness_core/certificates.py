"""Making certificates: ECDSA P-256, strict enough for VERIFY_X509_STRICT. Imported only when one must be made."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_PEM = serialization.Encoding.PEM
_SKEW = timedelta(hours=1)
"""A certificate begins a little earlier: clocks of two machines differ."""


def make_ca(now: float, lifetime: float) -> tuple[bytes, bytes]:
    """Key and certificate of a new CA, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("harness CA")
    builder = _builder(name, name, key.public_key(), key.public_key(), now, lifetime, ca=True)
    return _key_pem(key), builder.sign(key, hashes.SHA256()).public_bytes(_PEM)


def issue(ca: tuple[bytes, bytes], name: str, *, server: bool, names: Iterable[str], now: float, lifetime: float) -> bytes:
    """Certificate and key signed by `ca` (its certificate and key), in one PEM. ValueError: the CA can't be read."""
    authority = x509.load_pem_x509_certificate(ca[0])
    authority_key = serialization.load_pem_private_key(ca[1], None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey) or authority_key.public_key() != authority.public_key():
        raise ValueError("the CA's key does not belong to its certificate")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(name), authority.subject, key.public_key(), authority_key.public_key(), now, lifetime, ca=False)
    usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if server:
        builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(n) for n in names]), critical=False)
    return builder.sign(authority_key, hashes.SHA256()).public_bytes(_PEM) + _key_pem(key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer_public: ec.EllipticCurvePublicKey,
    now: float,
    lifetime: float,
    *,
    ca: bool,
) -> x509.CertificateBuilder:
    begin = datetime.fromtimestamp(now, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - _SKEW)
        .not_valid_after(begin + timedelta(seconds=lifetime))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(_usage(ca=ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=ca, crl_sign=ca, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
