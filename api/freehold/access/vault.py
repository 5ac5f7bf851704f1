"""Secrets that must be given back as they came: encrypted in the database, under a key of our own.

What need not be given back (passwords, application credentials) is hashed instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken

from freehold.access.tokens import fernet_key
from freehold.errors import Conflict


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
