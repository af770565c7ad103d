"""The test vectors of W3C Web Authentication Level 3. The environment variable WEBAUTHN_VECTORS names their file."""

import json
import os
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from tests.passkeys.helpers import authenticate, envelope, register, settings_app
from tests.support.soft_authenticator import es256_cose

from flaskauth.core.crypto import base64url_encode, sha256
from flaskauth.passkeys.responses import CeremonyError

VARIABLE = "WEBAUTHN_VECTORS"
REJECTED = {  # embedded in another origin, or an algorithm that the options do not offer
    *("none-es256-crossOrigin", "none-es256-topOrigin", "packed-es384", "packed-es512", "packed-ed448"),
}
# SHA-256 of the values of the vector "none.ES256", to compare the derived ones with the published ones.
ATTESTATION_DIGEST = "c0aa49c57f59765c9f47e6000c04dfe66547a3bd2a6e003a82e336a6e569cb7f"
AUTHENTICATOR_DATA = "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000"


def vectors() -> list[dict[str, Any]]:
    path = os.environ.get(VARIABLE)
    return json.loads(Path(path).read_text(encoding="utf-8"))["vectors"] if path else []


def run(registration: dict[str, bytes], authentication: dict[str, bytes]) -> None:
    """Register as a security key, then authenticate with the stored public key."""
    credential_id = registration["credential_id"]
    created = envelope(credential_id, {name: registration[name] for name in ("clientDataJSON", "attestationObject")})
    names = ("clientDataJSON", "authenticatorData", "signature")
    asserted = envelope(credential_id, {name: authentication[name] for name in names})
    with settings_app(PUBLIC_URL="https://example.org").app_context():
        public_key = register(created, requires_verification=False).public_key
        authenticate(asserted, public_key, requires_verification=False)


def from_hex(values: dict[str, str]) -> dict[str, bytes]:
    return {name: bytes.fromhex(value) for name, value in values.items()}


def derive(index: int, length: int = 32) -> bytes:
    """Return a value of the vector "none.ES256" by the rule of the specification."""
    hkdf = HKDF(algorithm=SHA256(), length=length, salt=bytes([index]), info=b"none.ES256")
    return hkdf.derive(b"WebAuthn test vectors")


def derive_client_data(ceremony: str, challenge: bytes, extra: str = "") -> bytes:
    fields = {"type": ceremony, "challenge": base64url_encode(challenge), "origin": "https://example.org"}
    return json.dumps({**fields, "crossOrigin": False, **({"extraData": extra} if extra else {})}).encode()


@pytest.mark.skipif(VARIABLE not in os.environ, reason=f"{VARIABLE} names no file")
@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_w3c_vector_is_accepted_unless_unsupported(vector: dict[str, Any]) -> None:
    parts = from_hex(vector["registration"]), from_hex(vector["authentication"])
    if vector["name"] in REJECTED:
        with pytest.raises(CeremonyError):
            run(*parts)
    else:
        run(*parts)


def test_w3c_es256_vector_derived_by_its_rule_is_accepted() -> None:
    private_key = ec.derive_private_key(int.from_bytes(derive(1), "big"), ec.SECP256R1())
    head = bytes.fromhex(AUTHENTICATOR_DATA)
    rp_id_hash, flags = head[:32], 0x41 | derive(6, 1)[0] & 0x1C
    credential_id, public_key = derive(5), cbor2.dumps(es256_cose(private_key.public_key()))
    attested = derive(4, 16) + len(credential_id).to_bytes(2, "big") + credential_id + public_key
    authenticator_data = rp_id_hash + bytes([flags]) + bytes(4) + attested
    attestation_object = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": authenticator_data})
    client_data = derive_client_data("webauthn.get", derive(7))
    signature = private_key.sign(head + sha256(client_data), ec.ECDSA(SHA256()))

    assert sha256(attestation_object).hex() == ATTESTATION_DIGEST
    run(
        {
            "credential_id": credential_id,
            "clientDataJSON": derive_client_data("webauthn.create", derive(0)),
            "attestationObject": attestation_object,
        },
        {"clientDataJSON": client_data, "authenticatorData": head, "signature": signature},
    )
