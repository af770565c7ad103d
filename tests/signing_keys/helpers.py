"""Verification of access tokens with the public keys alone, without any code of the server."""

import base64
import hashlib
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

Json = dict[str, Any]


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def decode_header(token: str) -> Json:
    header: Json = json.loads(decode(token.partition(".")[0]))
    return header


def decode_claims(token: str) -> Json:
    """Return the claims of a token without verification."""
    claims: Json = json.loads(decode(token.split(".")[1]))
    return claims


def verify_jwt(token: str, jwks: Json) -> Json:
    """Return the claims of a token, or raise `InvalidSignature` if the key that it names did not sign it."""
    header, payload, signature = token.split(".")
    [key] = [key for key in jwks["keys"] if key["kid"] == decode_header(token)["kid"]]
    raw = decode(signature)
    dss = encode_dss_signature(bytes_to_int(raw[:32]), bytes_to_int(raw[32:]))
    point = EllipticCurvePublicNumbers(bytes_to_int(decode(key["x"])), bytes_to_int(decode(key["y"])), SECP256R1())
    point.public_key().verify(dss, f"{header}.{payload}".encode(), ECDSA(SHA256()))
    return decode_claims(token)


def is_signature_valid(token: str, jwks: Json) -> bool:
    try:
        return bool(verify_jwt(token, jwks))
    except (InvalidSignature, ValueError):
        return False


def thumbprint(key: Json) -> str:
    """Return the JWK thumbprint of a key (RFC 7638)."""
    members = json.dumps({name: key[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return encode(hashlib.sha256(members.encode()).digest())


def bytes_to_int(raw: bytes) -> int:
    return int.from_bytes(raw, "big")
