"""Secrets that must be given back as they came: encrypted in the database, under a key of our own.

What need not be given back (passwords, application credentials) is hashed instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from freehold.access.tokens import fernet_key
from freehold.errors import Conflict, Unavailable


def read_secret(path: Path) -> bytes:
    """The service's secret: at least 32 bytes, in a file that only the service can read."""
    secret = path.read_bytes().strip()
    if len(secret) < 32:
        raise Unavailable(f"{path} holds {len(secret)} bytes; the secret needs at least 32.")
    return secret


@dataclass(frozen=True)
class Vault:
    """Encrypts under the service's secret, which it never shows."""

    secret: bytes = field(repr=False)

    def close(self, text: str) -> bytes:
        """Encrypt."""
        return self._key().encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """Decrypt.

        Raises:
            Conflict: It was encrypted under another secret.
        """
        try:
            return self._key().decrypt(sealed).decode()
        except InvalidToken as error:
            raise Conflict(
                "This was stored under another secret of the service and cannot be read; delete "
                "it and make it anew."
            ) from error

    def _key(self) -> Fernet:
        return Fernet(fernet_key(self.secret, "credential"))
