"""The SHA-1 digest by which published lists identify a password."""

import hashlib

from flaskauth.core.passwords import hashes

HEX_LENGTH = 40  # hexadecimal characters


def password_sha1(password: str) -> bytes:
    """Return the SHA-1 digest of the normalized password in UTF-8. It is an identifier, not a protection."""
    return hashlib.sha1(hashes.normalize(password).encode(), usedforsecurity=False).digest()
