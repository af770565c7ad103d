"""Encryption: unique nonces; decryption needs the same key, purpose and associated data."""

import pytest
from flask import Flask

from flaskauth.core import crypto

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

SAMPLES = 2000


def test_encrypt_same_plaintext_never_repeats_a_nonce(app: Flask) -> None:
    """A repeated nonce breaks AES-GCM."""
    with app.app_context():
        encrypted = [crypto.encrypt("a purpose", b"plaintext", b"data") for _ in range(SAMPLES)]

        assert len({item[: crypto.NONCE_LENGTH] for item in encrypted}) == SAMPLES
        assert {crypto.decrypt("a purpose", item, b"data") for item in encrypted[:10]} == {(b"plaintext", True)}


def test_decrypt_tampered_or_wrong_context_raises(app: Flask) -> None:
    with app.app_context():
        encrypted = crypto.encrypt("a purpose", b"plaintext", b"data")
        tampered = [bytes([*encrypted[:at], encrypted[at] ^ 1, *encrypted[at + 1 :]]) for at in range(len(encrypted))]
        attempts = [
            ("different purpose", encrypted, b"data"),
            ("a purpose", encrypted, b"different data"),
            ("a purpose", encrypted[:-1], b"data"),
            *(("a purpose", item, b"data") for item in tampered),
        ]

        for purpose, item, data in attempts:
            with pytest.raises(crypto.DecryptionError):
                crypto.decrypt(purpose, item, data)
