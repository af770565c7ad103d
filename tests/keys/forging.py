"""Makes tokens by hand, good and bad, with the server's own key and with others."""

import hmac
import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from tests.keys.reading import ORDER, Json, claims, encode, header
from tests.people import bearer
from werkzeug.test import TestResponse

from flaskauth.keys.ring import ring

LEFT_OUT = object()


def joined(head: Json | bytes, payload: Json | bytes) -> str:
    """The first two parts of a token."""
    raw = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (head, payload)]
    return ".".join(encode(part) for part in raw)


def with_ecdsa(text: str, key: EllipticCurvePrivateKey, digest: HashAlgorithm | None = None) -> str:
    """The text with its signature, in the one form that the server accepts."""
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(text.encode(), ECDSA(digest or SHA256())))
    low = min(s, ORDER - s) if size == 32 else s
    return f"{text}.{encode(r.to_bytes(size, 'big') + low.to_bytes(size, 'big'))}"


def with_hmac(text: str, secret: bytes) -> str:
    return f"{text}.{encode(hmac.digest(secret, text.encode(), 'sha256'))}"


@dataclass
class Target:
    """A server, and the tokens of two people who are signed in to it."""

    app: Flask
    tokens: Json
    others: Json

    @property
    def token(self) -> str:
        return str(self.tokens["token"])

    @property
    def parts(self) -> tuple[str, str, str]:
        head, payload, signature = self.token.split(".")
        return head, payload, signature

    @property
    def key(self) -> EllipticCurvePrivateKey:
        """The private key that the server signs with."""
        with self.app.app_context():
            return ring().signer().private

    def header(self, **changes: Any) -> Json:
        return {name: value for name, value in {**header(self.token), **changes}.items() if value is not LEFT_OUT}

    def claims(self, **changes: Any) -> Json:
        return {name: value for name, value in {**claims(self.token), **changes}.items() if value is not LEFT_OUT}

    def signed(self, head: Json | bytes | None = None, payload: Json | bytes | None = None) -> str:
        """A token by the server's own key that says something else."""
        return with_ecdsa(joined(head or self.header(), payload or self.claims()), self.key)

    def public_forms(self) -> dict[str, bytes]:
        """The public key as somebody might mistake it for a shared secret."""
        public = self.key.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        jwks = self.app.test_client().get("/.well-known/jwks.json")
        return {
            "PEM": pem,
            "PEM without its last line end": pem.rstrip(b"\n"),
            "PEM with other line ends": pem.replace(b"\n", b"\r\n"),
            "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "OpenSSH": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
            "the point": public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
            "the compressed point": public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
            "JWK": json.dumps(jwks.get_json()["keys"][0], separators=(",", ":")).encode(),
            "the key set": jwks.data,
            "the key's id": jwks.get_json()["keys"][0]["kid"].encode(),
            "nothing": b"",
        }

    def is_shown(self, token: str | bytes) -> TestResponse:
        """Bring a token to a route that is guarded."""
        text = token.decode("latin-1") if isinstance(token, bytes) else token
        return self.app.test_client().get("/users/profile", headers=bearer(text))
