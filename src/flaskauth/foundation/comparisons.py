"""Comparing a password with a hash of each kind; the libraries are loaded by the first comparison that needs them."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from werkzeug.security import check_password_hash

BCRYPT_READS = 72  # bytes; every library of bcrypt left the rest out
SCRYPT_MEMORY = 2**31 - 1  # what a hash may ask for is decided before
TRIMMED = " \t\n\r\0\x0b"  # by PHP


def argon2(password: str, stored: str) -> bool:
    """Argon2 of any variant."""
    from argon2 import PasswordHasher  # noqa: PLC0415
    from argon2.exceptions import VerifyMismatchError  # noqa: PLC0415

    try:
        return PasswordHasher().verify(stored, password)
    except VerifyMismatchError:
        return False


def bcrypt(password: str | bytes, stored: str) -> bool:
    """bcrypt; what is longer than 72 bytes was left out when it was hashed, so it is left out here."""
    import bcrypt  # noqa: PLC0415

    raw = password.encode() if isinstance(password, str) else password
    return bcrypt.checkpw(raw[:BCRYPT_READS], stored.encode())


def passlib(scheme: str) -> Callable[[str, str], bool]:
    """A comparison by one of libpass's schemes."""

    def compare(password: str, stored: str) -> bool:
        from passlib import hash as schemes  # noqa: PLC0415

        found: Any = getattr(schemes, scheme)
        return bool(found.verify(password, stored))

    return compare


def django_argon2(password: str, stored: str) -> bool:
    """Argon2 behind Django's name for it."""
    return argon2(password, stored.removeprefix("argon2"))


def django_bcrypt(password: str, stored: str) -> bool:
    """bcrypt behind Django's name for it."""
    return bcrypt(password, stored.removeprefix("bcrypt$"))


def django_bcrypt_sha256(password: str, stored: str) -> bool:
    """Django's bcrypt of the hexadecimal SHA-256."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    return bcrypt(digest, stored.removeprefix("bcrypt_sha256$"))


def django_scrypt(password: str, stored: str) -> bool:
    """Django's own way to write scrypt."""
    _name, n, salt, r, p, encoded = stored.split("$")
    expected = base64.b64decode(encoded, validate=True)
    made = hashlib.scrypt(
        password.encode(), salt=salt.encode(), n=int(n), r=int(r), p=int(p), maxmem=SCRYPT_MEMORY, dklen=len(expected)
    )
    return hmac.compare_digest(made, expected)


def wordpress(password: str, stored: str) -> bool:
    """WordPress 6.8 and newer: bcrypt of an HMAC with SHA-384, without white space around the password."""
    digest = hmac.digest(b"wp-sha384", password.strip(TRIMMED).encode(), "sha384")
    return bcrypt(base64.b64encode(digest), stored.removeprefix("$wp"))


def werkzeug(password: str, stored: str) -> bool:
    """What werkzeug writes, for Flask and the tutorial."""
    return check_password_hash(stored, password)
