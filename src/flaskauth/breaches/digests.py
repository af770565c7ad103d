"""What published lists call a password."""

import hashlib

from flaskauth.foundation import hashing

LENGTH = 40  # hexadecimal characters


def digest(password: str) -> bytes:
    """Its SHA-1, in UTF-8 and in the form in which it is compared. It names the password and protects nothing."""
    return hashlib.sha1(hashing.normal(password).encode(), usedforsecurity=False).digest()
