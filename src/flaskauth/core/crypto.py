"""Random values, digests, MACs and encryption. Each purpose has its own key, derived from `SECRET_KEY`."""

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

from flaskauth.core.context import settings

NONCE_LENGTH = 12


class DecryptionError(Exception):
    """No configured secret decrypts the ciphertext, or it was modified."""


def random_bytes(length: int) -> bytes:
    """Return random bytes from the CSPRNG of the operating system."""
    return secrets.token_bytes(length)


def random_number(below: int) -> int:
    """Return a random integer in the range 0 <= n < `below`."""
    return secrets.randbelow(below)


def digest(*parts: bytes | str | int) -> bytes:
    """Return the SHA-256 of the parts. Each part has a length prefix, so different lists never collide."""
    return hashlib.sha256(_length_prefixed(parts)).digest()


def sha256(raw: bytes) -> bytes:
    """Return the plain SHA-256 of the bytes, without length prefix."""
    return hashlib.sha256(raw).digest()


def mac(label: str, *parts: bytes | str | int) -> bytes:
    """Return the HMAC-SHA256 of the parts, with the key derived for this label (RFC 2104, RFC 5869)."""
    return _mac(settings().secrets[0], label, parts)


def macs_all_keys(label: str, *parts: bytes | str | int) -> list[bytes]:
    """Return the MACs with the current secret and with each fallback, in this order."""
    return [_mac(secret, label, parts) for secret in settings().secrets]


def compare_digest(left: bytes, right: bytes) -> bool:
    """Return True if both are equal. The comparison takes constant time."""
    return hmac.compare_digest(left, right)


def encrypt(label: str, plaintext: bytes, associated_data: bytes) -> bytes:
    """Encrypt with AES-256-GCM. `decrypt` needs the same label and associated data."""
    nonce = random_bytes(NONCE_LENGTH)
    return nonce + AESGCM(_derive_key(settings().secrets[0], label)).encrypt(nonce, plaintext, associated_data)


def decrypt(label: str, ciphertext: bytes, associated_data: bytes) -> tuple[bytes, bool]:
    """Return the plaintext, and True if the current secret (not a fallback) decrypted it.

    Raises:
        DecryptionError: no secret decrypts it, or it was modified.
    """
    for position, secret in enumerate(settings().secrets):
        try:
            cipher = AESGCM(_derive_key(secret, label))
            return cipher.decrypt(ciphertext[:NONCE_LENGTH], ciphertext[NONCE_LENGTH:], associated_data), position == 0
        except (InvalidTag, ValueError):
            continue
    raise DecryptionError


def base64url_encode(raw: bytes) -> str:
    """Encode as base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def base64url_decode(text: str) -> bytes:
    """Decode unpadded base64url. Return b"" for anything that `base64url_encode` does not produce."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return b""
    return raw if base64url_encode(raw) == text else b""


def _mac(secret: str, label: str, parts: tuple[bytes | str | int, ...]) -> bytes:
    return hmac.digest(_derive_key(secret, label), _length_prefixed(parts), "sha256")


def _length_prefixed(parts: tuple[bytes | str | int, ...]) -> bytes:
    raw = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in raw)


@lru_cache(maxsize=64)
def _derive_key(secret: str, label: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"flaskauth {label}".encode()).derive(secret.encode())
