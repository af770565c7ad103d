"""Builds access tokens by hand, valid and forged, with the server's own key and with other keys."""

import hmac
import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from tests.signing_keys.helpers import P256_ORDER, Json, decode_claims, decode_header, encode
from tests.support.users import bearer
from werkzeug.test import TestResponse

from flaskauth.signing_keys.keyring import keyring

OMITTED = object()


def join_parts(header: Json | bytes, payload: Json | bytes) -> str:
    """Return the encoded header and payload, joined by a dot."""
    raw = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    return ".".join(encode(part) for part in raw)


def sign_ecdsa(text: str, key: EllipticCurvePrivateKey, digest: HashAlgorithm | None = None) -> str:
    """Return the text with its signature in low-S form, the only form that the server accepts."""
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(text.encode(), ECDSA(digest or SHA256())))
    low_s = min(s, P256_ORDER - s) if size == 32 else s
    return f"{text}.{encode(r.to_bytes(size, 'big') + low_s.to_bytes(size, 'big'))}"


def sign_hmac(text: str, secret: bytes) -> str:
    return f"{text}.{encode(hmac.digest(secret, text.encode(), 'sha256'))}"


@dataclass
class ForgeryTarget:
    """A server, and the tokens of two users who are logged in."""

    app: Flask
    tokens: Json
    other_tokens: Json

    @property
    def token(self) -> str:
        return str(self.tokens["token"])

    @property
    def parts(self) -> tuple[str, str, str]:
        header, payload, signature = self.token.split(".")
        return header, payload, signature

    @property
    def private_key(self) -> EllipticCurvePrivateKey:
        """Return the private key that the server signs with."""
        with self.app.app_context():
            return keyring().active().private_key

    def header_with(self, **changes: Any) -> Json:
        return {name: value for name, value in {**decode_header(self.token), **changes}.items() if value is not OMITTED}

    def claims_with(self, **changes: Any) -> Json:
        return {name: value for name, value in {**decode_claims(self.token), **changes}.items() if value is not OMITTED}

    def sign(self, header: Json | bytes | None = None, payload: Json | bytes | None = None) -> str:
        """Return a token signed with the server's own key, with a different header or payload."""
        return sign_ecdsa(join_parts(header or self.header_with(), payload or self.claims_with()), self.private_key)

    def public_key_encodings(self) -> dict[str, bytes]:
        """Return the encodings of the public key that an HMAC verifier could mistake for a shared secret."""
        public_key = self.private_key.public_key()
        pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        jwks = self.app.test_client().get("/.well-known/jwks.json")
        return {
            "PEM": pem,
            "PEM without final newline": pem.rstrip(b"\n"),
            "PEM with CRLF": pem.replace(b"\n", b"\r\n"),
            "DER": public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "OpenSSH": public_key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
            "uncompressed point": public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
            "compressed point": public_key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
            "JWK": json.dumps(jwks.get_json()["keys"][0], separators=(",", ":")).encode(),
            "JWKS": jwks.data,
            "key ID": jwks.get_json()["keys"][0]["kid"].encode(),
            "empty secret": b"",
        }

    def get_profile(self, token: str | bytes) -> TestResponse:
        """Request a route that requires authentication with this token."""
        text = token.decode("latin-1") if isinstance(token, bytes) else token
        return self.app.test_client().get("/users/profile", headers=bearer(text))
