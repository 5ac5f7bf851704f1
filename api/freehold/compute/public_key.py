"""Keys themselves: making a pair, and reading a public half that somebody sends.

Knows no user and no table. A private key leaves here once, as the answer's, and is kept nowhere.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from freehold.errors import BadRequest

SSH, X509 = "ssh", "x509"
RSA_BITS = 2048
CERTIFICATE_DAYS = 3650
USER_PRINCIPAL_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
"""Where Windows looks for the user that a certificate logs in."""
UTF8_STRING = 0x0C


@dataclass(frozen=True)
class Made:
    """A new pair."""

    private: str
    public: str


def generate(kind: str, user_id: str, now: datetime) -> Made:
    """A new RSA pair: an OpenSSH line, or a certificate that logs its user in, as nova makes it."""
    key = rsa.generate_private_key(65537, RSA_BITS)
    if kind == X509:
        certificate = _certificate(key, user_id, now)
        public = certificate.public_bytes(serialization.Encoding.PEM).decode()
        return Made(_pem(key, serialization.PrivateFormat.PKCS8), public)
    line = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    private = _pem(key, serialization.PrivateFormat.TraditionalOpenSSL)
    return Made(private, f"{line.decode()} Generated-by-Freehold")


def _pem(key: rsa.RSAPrivateKey, form: serialization.PrivateFormat) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, form, serialization.NoEncryption()
    ).decode()


def _certificate(key: rsa.RSAPrivateKey, user_id: str, now: datetime) -> x509.Certificate:
    # CN has room for 64 characters.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id[:64])])
    principal = f"{user_id[:64]}@localhost".encode()
    alternative = x509.OtherName(
        USER_PRINCIPAL_NAME, bytes([UTF8_STRING, len(principal)]) + principal
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def fingerprint(kind: str, public_key: str) -> str:
    """As the API has always shown it: MD5 of an SSH key, SHA-1 of a certificate, in colon form.

    Raises:
        BadRequest: The text is no key of this kind.
    """
    try:
        return _certificate_print(public_key) if kind == X509 else _ssh_print(public_key)
    except (ValueError, UnsupportedAlgorithm, IndexError) as error:
        raise BadRequest("Keypair data is invalid: failed to generate fingerprint") from error


def _certificate_print(text: str) -> str:
    certificate = x509.load_pem_x509_certificate(text.encode())
    return certificate.fingerprint(hashes.SHA1()).hex(":")  # noqa: S303 (a name, no signature)


def _ssh_print(text: str) -> str:
    line = text.strip()
    if len(line.splitlines()) != 1:
        raise ValueError("a server would take every line as a key")
    serialization.load_ssh_public_key(line.encode())
    blob = base64.b64decode(line.split()[1])
    return hashlib.md5(blob, usedforsecurity=False).digest().hex(":")
