"""Challenges of WebAuthn ceremonies. They are authenticated and need no row: nonce | expiry | MAC (ADR 29)."""

from datetime import timedelta

from flaskauth.core import clock, crypto

REGISTRATION = "registration"
SIGN_IN = "sign_in"
SECOND_FACTOR = "second_factor"
REAUTHENTICATION = "reauthentication"

LIFETIME = timedelta(minutes=5)
NONCE_LENGTH = 16
EXPIRY_LENGTH = 8
LABEL = "webauthn challenge"


def issue(purpose: str, binding: str) -> bytes:
    """Return a challenge that is valid for 5 minutes, for this purpose and binding only.

    Args:
        purpose: the ceremony, such as REGISTRATION.
        binding: the id of the session or the login challenge; empty for a sign-in.
    """
    nonce = crypto.random_bytes(NONCE_LENGTH)
    expiry = int((clock.now() + LIFETIME).timestamp()).to_bytes(EXPIRY_LENGTH, "big")
    return nonce + expiry + crypto.mac(LABEL, purpose, binding, nonce, expiry)


def is_valid(challenge: bytes, purpose: str, binding: str) -> bool:
    """Return True if `issue` made the challenge for this purpose and binding in the last 5 minutes."""
    nonce, rest = challenge[:NONCE_LENGTH], challenge[NONCE_LENGTH:]
    expiry, mac = rest[:EXPIRY_LENGTH], rest[EXPIRY_LENGTH:]
    macs = crypto.macs_all_keys(LABEL, purpose, binding, nonce, expiry)
    is_authentic = any([crypto.compare_digest(mac, expected) for expected in macs])
    return is_authentic and int.from_bytes(expiry, "big") > clock.now().timestamp()
