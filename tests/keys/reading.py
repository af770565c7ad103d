"""Access tokens as another service reads them: with the public keys, and without any code of this server."""

import base64
import hashlib
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

Json = dict[str, Any]


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def header(token: str) -> Json:
    found: Json = json.loads(decode(token.partition(".")[0]))
    return found


def claims(token: str) -> Json:
    """What a token says, believed or not."""
    found: Json = json.loads(decode(token.split(".")[1]))
    return found


def verified(token: str, jwks: Json) -> Json:
    """What a token says, once its signature is right under the key that it names."""
    head, payload, signature = token.split(".")
    [key] = [key for key in jwks["keys"] if key["kid"] == header(token)["kid"]]
    raw = decode(signature)
    dss = encode_dss_signature(number(raw[:32]), number(raw[32:]))
    point = EllipticCurvePublicNumbers(number(decode(key["x"])), number(decode(key["y"])), SECP256R1())
    point.public_key().verify(dss, f"{head}.{payload}".encode(), ECDSA(SHA256()))
    return claims(token)


def is_signed(token: str, jwks: Json) -> bool:
    try:
        return bool(verified(token, jwks))
    except (InvalidSignature, ValueError):
        return False


def thumbprint(key: Json) -> str:
    """RFC 7638."""
    members = json.dumps({name: key[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return encode(hashlib.sha256(members.encode()).digest())


def number(raw: bytes) -> int:
    return int.from_bytes(raw, "big")
