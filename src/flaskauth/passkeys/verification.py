"""Verify WebAuthn responses with `webauthn`, and check what it accepts (ADR 29).

The import takes 0.2 seconds, so only the first ceremony of a process imports this module.
"""

from functools import cache
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography, encode_cbor
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    CredentialDeviceType,
    RegistrationCredential,
)

from flaskauth.core import crypto
from flaskauth.core.context import settings
from flaskauth.passkeys.options import ALGORITHMS, EDDSA, ES256, RS256
from flaskauth.passkeys.responses import (
    AssertionResponse,
    CeremonyError,
    RegistrationResponse,
    as_ceremony_error,
    check_extensions,
)

MAX_PUBLIC_KEY_LENGTH = 1024  # bytes
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 4096
MIN_RSA_EXPONENT = 3


class NewCredential(NamedTuple):
    """A verified registration."""

    public_key: bytes
    sign_count: int
    aaguid: bytes
    is_user_verified: bool
    is_backup_eligible: bool
    is_backed_up: bool


class Assertion(NamedTuple):
    """A verified assertion. The caller compares the counter and the backup eligibility with those that are stored."""

    sign_count: int
    is_user_verified: bool
    is_backup_eligible: bool
    is_backed_up: bool


def verify_registration(response: RegistrationResponse, *, requires_verification: bool) -> NewCredential:
    """Verify a created credential: type, origin, RP ID, flags, algorithm, and that the public key can be used.

    The caller has verified the challenge.

    Raises:
        CeremonyError
    """
    attestation = AuthenticatorAttestationResponse(response.client_data, response.attestation_object)
    with as_ceremony_error():
        verified = verify_registration_response(
            credential=RegistrationCredential(
                crypto.base64url_encode(response.credential_id), response.credential_id, attestation
            ),
            expected_challenge=response.challenge,
            expected_rp_id=settings().rp_id,
            expected_origin=list(settings().passkey_origins),
            require_user_verification=requires_verification,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(algorithm) for algorithm in ALGORITHMS],
        )
        is_usable = _is_usable(verified.credential_public_key)
    if verified.credential_id != response.credential_id:
        raise CeremonyError("rawId is not the id in authData")
    if not is_usable:
        raise CeremonyError("the public key does not match its algorithm, or is too weak or too long")
    return NewCredential(
        verified.credential_public_key,
        verified.sign_count,
        bytes.fromhex(verified.aaguid.replace("-", "")),
        verified.user_verified,
        verified.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
        verified.credential_backed_up,
    )


def verify_assertion(
    response: AssertionResponse, public_key: bytes | None, *, requires_verification: bool
) -> Assertion:
    """Verify type, origin, RP ID, flags and signature of an assertion. The caller has verified the challenge.

    Args:
        response: the response of the authenticator.
        public_key: the stored key, or None for an unknown credential: the work is the same, and the result an error.
        requires_verification: reject an authenticator that did not verify the user.

    Raises:
        CeremonyError
    """
    check_extensions(response.authenticator_data)
    assertion = AuthenticatorAssertionResponse(response.client_data, response.authenticator_data, response.signature)
    with as_ceremony_error():
        verified = verify_authentication_response(
            credential=AuthenticationCredential(
                crypto.base64url_encode(response.credential_id), response.credential_id, assertion
            ),
            expected_challenge=response.challenge,
            expected_rp_id=settings().rp_id,
            expected_origin=list(settings().passkey_origins),
            credential_public_key=public_key or _unknown_public_key(),
            credential_current_sign_count=0,  # the library would compare it before the signature
            require_user_verification=requires_verification,
        )
    if public_key is None:
        raise CeremonyError("unknown credential")
    return Assertion(
        verified.new_sign_count,
        verified.user_verified,
        verified.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
        verified.credential_backed_up,
    )


def _is_usable(public_key: bytes) -> bool:
    """Return True if the key fits its algorithm, and is not too weak or too long.

    Raises:
        Exception: the key does not load, which `webauthn` would detect at the first assertion only.
    """
    decoded = decode_credential_public_key(public_key)
    key = decoded_public_key_to_cryptography(decoded)
    if isinstance(key, EllipticCurvePublicKey):
        fits = decoded.alg == ES256 and isinstance(key.curve, SECP256R1)
    elif isinstance(key, RSAPublicKey):
        fits = decoded.alg == RS256 and MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS
        fits = fits and key.public_numbers().e >= MIN_RSA_EXPONENT
    else:
        fits = decoded.alg == EDDSA and isinstance(key, Ed25519PublicKey)
    return fits and len(public_key) <= MAX_PUBLIC_KEY_LENGTH


@cache
def _unknown_public_key() -> bytes:
    """Return a public key whose private key is not kept, in the COSE format."""
    numbers = generate_private_key(SECP256R1()).public_key().public_numbers()
    return encode_cbor({1: 2, 3: ES256, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
