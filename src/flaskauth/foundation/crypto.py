"""Randomness, keyed digests and sealing, all under keys derived from `SECRET_KEY`, one for each use."""

import base64
import binascii
import hashlib
import hmac
import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from flaskauth.foundation.current import settings

NONCE_LENGTH = 12


class CannotOpen(Exception):
    """No configured secret opens this."""


def random_bytes(length: int) -> bytes:
    """Bytes of the system's CSPRNG."""
    return secrets.token_bytes(length)


def random_number(below: int) -> int:
    """A number from 0 up to, not including, `below`."""
    return secrets.randbelow(below)


def digest(*parts: bytes | str | int) -> bytes:
    """SHA-256 of the parts; each is prefixed with its length, so that no two lists of parts read alike."""
    return hashlib.sha256(_framed(parts)).digest()


def sha256(raw: bytes) -> bytes:
    """SHA-256 of the bytes as they are, where a standard says so."""
    return hashlib.sha256(raw).digest()


def mac(use: str, *parts: bytes | str | int) -> bytes:
    """HMAC-SHA256 of the parts, under the key of this use (RFC 2104, 5869)."""
    return _mac(settings().secrets[0], use, parts)


def macs(use: str, *parts: bytes | str | int) -> list[bytes]:
    """The same under the secret in use and under each fallback."""
    return [_mac(secret, use, parts) for secret in settings().secrets]


def same(left: bytes, right: bytes) -> bool:
    """Whether they are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(left, right)


def seal(use: str, plain: bytes, about: bytes) -> bytes:
    """Encrypt with AES-256-GCM; `about` is bound to it and must be said again to open it."""
    nonce = random_bytes(NONCE_LENGTH)
    return nonce + AESGCM(_key(settings().secrets[0], use)).encrypt(nonce, plain, about)


def unseal(use: str, sealed: bytes, about: bytes) -> tuple[bytes, bool]:
    """What was sealed, and whether the secret in use (not a fallback) opened it.

    Raises:
        CannotOpen: no secret opens it, or it was altered.
    """
    for position, secret in enumerate(settings().secrets):
        try:
            cipher = AESGCM(_key(secret, use))
            return cipher.decrypt(sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:], about), position == 0
        except (InvalidTag, ValueError):
            continue
    raise CannotOpen


def encode(raw: bytes) -> str:
    """Base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of `encode`; b"" for anything that `encode` would not have written."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return b""
    return raw if encode(raw) == text else b""


def _mac(secret: str, use: str, parts: tuple[bytes | str | int, ...]) -> bytes:
    return hmac.digest(_key(secret, use), _framed(parts), "sha256")


def _framed(parts: tuple[bytes | str | int, ...]) -> bytes:
    raw = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in raw)


@lru_cache(maxsize=64)
def _key(secret: str, use: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"flaskauth {use}".encode()).derive(secret.encode())
