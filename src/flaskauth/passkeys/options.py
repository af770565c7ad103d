"""Options of WebAuthn ceremonies, as `parseCreationOptionsFromJSON` and `parseRequestOptionsFromJSON` read them."""

from collections.abc import Sequence
from dataclasses import dataclass

from flaskauth.core import crypto
from flaskauth.core.context import settings

ES256, EDDSA, RS256 = -7, -8, -257  # COSE algorithm identifiers
ALGORITHMS = (ES256, EDDSA, RS256)
TIMEOUT = 300_000  # milliseconds, as the lifetime of a challenge
PASSKEY, SECURITY_KEY = "passkey", "security_key"


@dataclass(frozen=True)
class CredentialDescriptor:
    """A credential of the user that the client may use, or must not create again."""

    credential_id: bytes
    transports: Sequence[str]

    def to_json(self) -> dict[str, object]:
        return {
            "type": "public-key",
            "id": crypto.base64url_encode(self.credential_id),
            "transports": list(self.transports),
        }


@dataclass(frozen=True)
class UserEntity:
    """How the authenticator identifies and shows the account."""

    handle: bytes
    name: str
    display_name: str


def creation_options(
    challenge: bytes, kind: str, user: UserEntity, existing: Sequence[CredentialDescriptor]
) -> dict[str, object]:
    """Return the options to create a credential.

    A passkey is discoverable and verifies the user. A security key needs neither, and stores few passkeys.
    """
    requirement = "required" if kind == PASSKEY else "discouraged"
    return {
        "rp": {"id": settings().rp_id, "name": settings().app_name},
        "user": {"id": crypto.base64url_encode(user.handle), "name": user.name, "displayName": user.display_name},
        "challenge": crypto.base64url_encode(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in ALGORITHMS],
        "timeout": TIMEOUT,
        "excludeCredentials": [credential.to_json() for credential in existing],
        "authenticatorSelection": {
            "residentKey": requirement,
            "requireResidentKey": kind == PASSKEY,
            "userVerification": requirement,
        },
        "attestation": "none",
        "extensions": {"credProps": True},
    }


def request_options(
    challenge: bytes, allowed: Sequence[CredentialDescriptor], *, requires_verification: bool
) -> dict[str, object]:
    """Return the options to sign a challenge. Without allowed credentials, the client offers discoverable ones."""
    return {
        "rpId": settings().rp_id,
        "challenge": crypto.base64url_encode(challenge),
        "timeout": TIMEOUT,
        "allowCredentials": [credential.to_json() for credential in allowed],
        "userVerification": "required" if requires_verification else "preferred",
    }
