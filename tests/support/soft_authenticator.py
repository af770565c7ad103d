"""An authenticator and its browser in software. Attributes select the algorithm, the flags and what is wrong."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from flaskauth.core.crypto import base64url_decode, base64url_encode, sha256

ES256, EDDSA, RS256 = -7, -8, -257
UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80

Json = dict[str, Any]
Signer = Callable[[bytes], bytes]


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def to_bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def es256_cose(key: ec.EllipticCurvePublicKey) -> dict[int, Any]:
    numbers = key.public_numbers()
    return {1: 2, 3: ES256, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}


def rs256_cose(key: rsa.RSAPublicKey) -> dict[int, Any]:
    return {1: 3, 3: RS256, -1: to_bytes(key.public_numbers().n), -2: to_bytes(key.public_numbers().e)}


def new_key(algorithm: int) -> tuple[Signer, dict[int, Any]]:
    """Return a function that signs, and the public key in the COSE format."""
    if algorithm == EDDSA:
        key = ed25519.Ed25519PrivateKey.generate()
        return key.sign, {1: 1, 3: EDDSA, -1: 6, -2: key.public_key().public_bytes_raw()}
    if algorithm == RS256:
        rsa_private = rsa_key(2048)
        return lambda data: rsa_private.sign(data, padding.PKCS1v15(), SHA256()), rs256_cose(rsa_private.public_key())
    private = ec.generate_private_key(ec.SECP256R1())
    return lambda data: private.sign(data, ec.ECDSA(SHA256())), es256_cose(private.public_key())


@dataclass
class SoftAuthenticator:
    """One credential. `create` and `get` return what a browser sends to the server.

    Args:
        client_data: members that replace those of clientDataJSON, or are added.
        rp_id: signs for this RP ID instead of that of the options.
        extensions: authenticator extension outputs.
    """

    algorithm: int = ES256
    origin: str = "http://localhost:5000"
    flags: int = UP | UV
    sign_count: int = 0
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    rp_id: str | None = None
    client_data: Json = field(default_factory=dict)
    extensions: Json = field(default_factory=dict)
    user_handle: bytes | None = None
    aaguid: bytes = bytes(16)

    def __post_init__(self) -> None:
        self.sign, self.cose_key = new_key(self.algorithm)

    def create(self, options: Json) -> Json:
        """Return the credential for creation options."""
        self.user_handle = base64url_decode(options["user"]["id"])
        attested = self.aaguid + len(self.credential_id).to_bytes(2, "big") + self.credential_id
        authenticator_data = self._authenticator_data(options["rp"]["id"], AT, attested + cbor2.dumps(self.cose_key))
        attestation = {"fmt": "none", "attStmt": {}, "authData": authenticator_data}
        response = {
            "clientDataJSON": base64url_encode(self._client_data("webauthn.create", options["challenge"])),
            "attestationObject": base64url_encode(cbor2.dumps(attestation)),
            "transports": ["internal", "hybrid"],
        }
        return self._envelope(response)

    def get(self, options: Json) -> Json:
        """Return the assertion for request options."""
        authenticator_data = self._authenticator_data(options["rpId"], 0, b"")
        client_data = self._client_data("webauthn.get", options["challenge"])
        response = {
            "clientDataJSON": base64url_encode(client_data),
            "authenticatorData": base64url_encode(authenticator_data),
            "signature": base64url_encode(self.sign(authenticator_data + sha256(client_data))),
            "userHandle": base64url_encode(self.user_handle) if self.user_handle else None,
        }
        return self._envelope(response)

    def _envelope(self, response: Json) -> Json:
        identifier = base64url_encode(self.credential_id)
        return {
            "id": identifier,
            "rawId": identifier,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }

    def _client_data(self, ceremony: str, challenge: str) -> bytes:
        fields = {"type": ceremony, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps({**fields, **self.client_data}, separators=(",", ":")).encode()

    def _authenticator_data(self, rp_id: str, flags: int, attested: bytes) -> bytes:
        flags |= self.flags | (ED if self.extensions else 0)
        head = sha256((self.rp_id or rp_id).encode()) + bytes([flags]) + self.sign_count.to_bytes(4, "big")
        return head + attested + (cbor2.dumps(self.extensions) if self.extensions else b"")
