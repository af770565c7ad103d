"""What is sealed is opened by its secret and its name alone, and looks different each time."""

import pytest
from flask import Flask

from flaskauth.foundation import crypto

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

MANY = 2000


def test_the_same_is_never_sealed_alike(app: Flask) -> None:
    """AES-GCM is broken by one nonce that comes twice."""
    with app.app_context():
        sealed = [crypto.seal("a use", b"the same", b"about") for _ in range(MANY)]

        assert len({each[: crypto.NONCE_LENGTH] for each in sealed}) == MANY
        assert {crypto.unseal("a use", each, b"about") for each in sealed[:10]} == {(b"the same", True)}


def test_what_was_altered_or_is_called_otherwise_is_not_opened(app: Flask) -> None:
    with app.app_context():
        sealed = crypto.seal("a use", b"the same", b"about")
        altered = [bytes([*sealed[:at], sealed[at] ^ 1, *sealed[at + 1 :]]) for at in range(len(sealed))]
        tries = [("another use", sealed, b"about"), ("a use", sealed, b"of another"), ("a use", sealed[:-1], b"about")]

        for use, each, about in [*tries, *[("a use", each, b"about") for each in altered]]:
            with pytest.raises(crypto.CannotOpen):
                crypto.unseal(use, each, about)
