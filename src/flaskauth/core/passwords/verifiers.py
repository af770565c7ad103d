"""Compare a password with a hash. Libraries are imported by the first comparison that needs them.

libpass compares what it supports. Werkzeug's and some newer formats are compared here.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Protocol

BCRYPT_MAX_BYTES = 72  # bytes; bcrypt implementations ignored the rest of a longer password
SCRYPT_MAX_MEMORY = 2**31 - 1  # bytes; the cost is limited in `legacy`, before the comparison
PHP_WHITESPACE = " \t\n\r\0\x0b"  # the characters that PHP's trim() removes

Verifier = Callable[[str, str], bool]


class _PasslibScheme(Protocol):
    def verify(self, password: bytes, stored: str) -> bool: ...


def verify_argon2(password: str, stored: str) -> bool:
    """Compare with Argon2 of any variant. The server's own hashes are compared here too, without loading libpass."""
    from argon2 import PasswordHasher  # noqa: PLC0415
    from argon2.exceptions import VerifyMismatchError  # noqa: PLC0415

    try:
        return PasswordHasher().verify(stored, password)
    except VerifyMismatchError:
        return False


def passlib_verifier(scheme: str, max_bytes: int | None = None) -> Verifier:
    """Return a function that compares with a hash of a libpass scheme.

    Args:
        scheme: the name in `passlib.hash`.
        max_bytes: the scheme reads only so many bytes of the password. libpass rejects longer ones.
    """

    def verify(password: str, stored: str) -> bool:
        return _passlib_scheme(scheme).verify(password.encode()[:max_bytes], stored)

    return verify


def verify_wordpress(password: str, stored: str) -> bool:
    """Compare with a hash of WordPress 6.8: bcrypt of a Base64 HMAC-SHA384 of the trimmed password."""
    digest = hmac.digest(b"wp-sha384", password.strip(PHP_WHITESPACE).encode(), "sha384")
    return _passlib_scheme("bcrypt").verify(base64.b64encode(digest), stored.removeprefix("$wp"))


def verify_django_argon2(password: str, stored: str) -> bool:
    """Compare with a hash of Django's `Argon2PasswordHasher`."""
    return verify_argon2(password, stored.removeprefix("argon2"))


def verify_django_scrypt(password: str, stored: str) -> bool:
    """Compare with a hash of Django's `ScryptPasswordHasher`, which libpass does not support."""
    _name, n, salt, r, p, encoded = stored.split("$")
    return _verify_scrypt(password, salt, (int(n), int(r), int(p)), base64.b64decode(encoded))


def verify_werkzeug_scrypt(password: str, stored: str) -> bool:
    """Compare with a hash of `werkzeug.security`, whose own memory limit is too low for some parameters."""
    method, salt, encoded = stored.split("$")
    _name, n, r, p = method.split(":")
    return _verify_scrypt(password, salt, (int(n), int(r), int(p)), bytes.fromhex(encoded))


def verify_werkzeug_pbkdf2(password: str, stored: str) -> bool:
    """Compare with a hash of `werkzeug.security`, which Flask applications store."""
    method, salt, encoded = stored.split("$")
    _name, algorithm, rounds = method.split(":")
    actual = hashlib.pbkdf2_hmac(algorithm, password.encode(), salt.encode(), int(rounds))
    return hmac.compare_digest(actual, bytes.fromhex(encoded))


def _verify_scrypt(password: str, salt: str, costs: tuple[int, int, int], expected: bytes) -> bool:
    n, r, p = costs
    actual = hashlib.scrypt(
        password.encode(), salt=salt.encode(), n=n, r=r, p=p, maxmem=SCRYPT_MAX_MEMORY, dklen=len(expected)
    )
    return hmac.compare_digest(actual, expected)


def _passlib_scheme(name: str) -> _PasslibScheme:
    from passlib import hash as schemes  # noqa: PLC0415

    scheme: _PasslibScheme = getattr(schemes, name)
    return scheme
