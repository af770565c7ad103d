"""Access tokens: short-lived JWTs (RFC 9068, ES256) that are valid only while their session is active."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from flask import current_app
from jwt.algorithms import ECAlgorithm
from jwt.types import Options

from flaskauth.core import clock, crypto
from flaskauth.core.context import settings
from flaskauth.core.errors import Unauthorized
from flaskauth.core.ids import MAX_SAFE_INTEGER
from flaskauth.signing_keys import amr as authentication_methods
from flaskauth.signing_keys.keyring import keyring
from flaskauth.signing_keys.service import LEEWAY, active_key
from flaskauth.signing_keys.token_cache import VerifiedTokenCache

EXTENSION_KEY = "flaskauth.access_tokens"
CLIENT_ID = "flaskauth"
FRESH_LIFETIME = timedelta(minutes=10)
REQUIRED_CLAIMS = {"iss", "aud", "sub", "client_id", "iat", "exp", "auth_time", "jti", "sid"}
# `decode` checks the times with the application's clock.
DECODE_OPTIONS: Options = {
    "require": sorted(REQUIRED_CLAIMS),
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the curve P-256 (NIST SP 800-186)


class InvalidToken(Unauthorized):
    """401 `invalid_token`: the token is malformed, forged, expired or revoked."""

    code = "invalid_token"
    message = "Invalid token"


@dataclass(frozen=True)
class AccessTokenClaims:
    """The verified claims of an access token."""

    user_id: int
    session_id: int
    valid_from: datetime
    expires_at: datetime
    fresh_until: datetime | None

    @property
    def is_fresh(self) -> bool:
        return self.fresh_until is not None and clock.now() < self.fresh_until


class _LowSES256(ECAlgorithm):
    """ES256 with low-S signatures only. (r, -s) is also valid for ECDSA, which would give each token a second form."""

    def sign(self, msg: bytes, key: EllipticCurvePrivateKey) -> bytes:
        r, s = decode_dss_signature(key.sign(msg, ECDSA(SHA256())))
        return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


_JWS = jwt.PyJWS()
_JWS.unregister_algorithm("ES256")
_JWS.register_algorithm("ES256", _LowSES256(ECAlgorithm.SHA256, SECP256R1))


def issue(user_id: int, session_id: int, auth_time: datetime, amr: str, *, fresh: bool = False) -> str:
    """Return a signed token. `fresh`, after a check of all factors, allows sensitive operations for 10 minutes."""
    now = clock.now()
    claims: dict[str, object] = {
        "iss": settings().public_url,
        "aud": settings().audience,
        "sub": str(user_id),
        "client_id": CLIENT_ID,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(minutes=settings().jwt_duration)).timestamp()),
        "auth_time": int(auth_time.timestamp()),
        "amr": amr.split(),
        "acr": authentication_methods.acr(amr),
        "jti": crypto.base64url_encode(crypto.random_bytes(16)),
        "sid": str(session_id),
    }
    if fresh:
        claims["fresh_until"] = int((now + FRESH_LIFETIME).timestamp())
    key = active_key()
    return _JWS.encode(orjson.dumps(claims), key.private_key, "ES256", {"kid": key.kid, "typ": "at+jwt"})


def decode(token: str) -> AccessTokenClaims:
    """Verify signature, type, issuer, audience and times of a token. Return its claims.

    Raises:
        InvalidToken: the token is not valid.
        Unavailable: no key could be loaded yet.
    """
    claims = _token_cache().get(token) or _verify(token)
    if not claims.valid_from - LEEWAY <= clock.now() < claims.expires_at:
        raise InvalidToken
    return claims


def _verify(token: str) -> AccessTokenClaims:
    key = keyring().get(_parse_kid(token))
    if key is None or not _has_low_s(token):
        raise InvalidToken
    try:
        payload = jwt.decode(
            token,
            key.private_key.public_key(),
            algorithms=["ES256"],
            issuer=settings().public_url,
            audience=settings().audience,
            options=DECODE_OPTIONS,
        )
        claims = _build_claims(payload)
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, OSError):
        raise InvalidToken from None
    _token_cache().put(token, key.kid, claims)
    return claims


def _token_cache() -> VerifiedTokenCache[AccessTokenClaims]:
    """Return the cache of the current application."""
    cache = current_app.extensions.get(EXTENSION_KEY)
    if cache is None:
        cache = current_app.extensions[EXTENSION_KEY] = VerifiedTokenCache[AccessTokenClaims](keyring())
    assert isinstance(cache, VerifiedTokenCache)
    return cache


def _parse_kid(token: str) -> str:
    """Return the key id in the header. A header with other members (jku, crit, b64, zip) is rejected."""
    try:
        header = json.loads(crypto.base64url_decode(token.partition(".")[0]).decode(), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        raise InvalidToken from None
    # The hook turns a JSON object into a tuple of pairs, so duplicate members count too.
    members = dict(header) if isinstance(header, tuple) and len(header) == 3 else {}
    kid = members.get("kid")
    if not isinstance(kid, str) or members != {"alg": "ES256", "typ": "at+jwt", "kid": kid}:
        raise InvalidToken
    return kid


def _build_claims(payload: dict[str, Any]) -> AccessTokenClaims:
    valid_from = max(payload["iat"], payload.get("nbf", 0))
    fresh_until = payload.get("fresh_until")
    return AccessTokenClaims(
        user_id=_parse_id(payload["sub"]),
        session_id=_parse_id(payload["sid"]),
        valid_from=_from_timestamp(valid_from),
        expires_at=_from_timestamp(payload["exp"]),
        fresh_until=_from_timestamp(fresh_until) if fresh_until is not None else None,
    )


def _parse_id(text: str) -> int:
    """Return an id in canonical decimal form."""
    number = int(text)
    if str(number) != text or not 0 < number <= MAX_SAFE_INTEGER:
        raise InvalidToken
    return number


def _from_timestamp(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _has_low_s(token: str) -> bool:
    signature = crypto.base64url_decode(token.rpartition(".")[2])
    return len(signature) == 64 and int.from_bytes(signature[32:], "big") <= P256_ORDER // 2
