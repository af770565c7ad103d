"""Ceremonies without a server: settings, challenges and verification."""

from typing import Any

from flask import Flask
from tests.conftest import SECRET

from flaskauth.core import context
from flaskauth.core.crypto import base64url_encode
from flaskauth.passkeys import responses, verification
from flaskauth.passkeys.options import PASSKEY, UserEntity, creation_options, request_options
from flaskauth.passkeys.responses import CeremonyError
from flaskauth.passkeys.verification import Assertion, NewCredential
from flaskauth.settings import Settings

CHALLENGE = bytes(range(56))
USER = UserEntity(b"h" * 32, "grace@example.com", "Grace Hopper")


def settings_app(**environ: str) -> Flask:
    """Return an application with settings only, whose context the verification needs."""
    app = Flask(__name__)
    app.extensions[context.KEY] = Settings.model_validate(
        {"SECRET_KEY": SECRET, "PUBLIC_URL": "http://localhost:5000", **environ}
    )
    return app


def registration_options(challenge: bytes = CHALLENGE) -> dict[str, Any]:
    return creation_options(challenge, PASSKEY, USER, [])


def assertion_options(challenge: bytes = CHALLENGE) -> dict[str, Any]:
    return request_options(challenge, [], requires_verification=True)


def register(
    credential: dict[str, Any], *, requires_verification: bool = True, challenge: bytes | None = None
) -> NewCredential:
    """Verify a registration. In the server, the caller verifies the challenge."""
    response = responses.parse_registration(credential)
    if challenge and response.challenge != challenge:
        raise CeremonyError("challenge")
    return verification.verify_registration(response, requires_verification=requires_verification)


def authenticate(
    credential: dict[str, Any], public_key: bytes | None, *, requires_verification: bool = True
) -> Assertion:
    return verification.verify_assertion(
        responses.parse_assertion(credential), public_key, requires_verification=requires_verification
    )


def envelope(credential_id: bytes, response: dict[str, bytes]) -> dict[str, Any]:
    """Return a credential as a browser sends it, from the bytes of its response."""
    identifier = base64url_encode(credential_id)
    encoded = {name: base64url_encode(raw) for name, raw in response.items()}
    return {"id": identifier, "rawId": identifier, "type": "public-key", "response": encoded}
