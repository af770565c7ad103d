"""Access tokens: short JWTs (RFC 9068, ES256), good only while their session is."""

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

from flaskauth.foundation import clock, crypto
from flaskauth.foundation.current import settings
from flaskauth.foundation.errors import Unauthorized
from flaskauth.foundation.ids import LARGEST
from flaskauth.keys.ring import ring
from flaskauth.keys.service import LEEWAY, signer
from flaskauth.keys.verified import Verified

KEY = "flaskauth.tokens"
CLIENT = "flaskauth"
FRESH_FOR = timedelta(minutes=10)
CLAIMS = {"iss", "aud", "sub", "client_id", "iat", "exp", "auth_time", "jti", "sid"}
# The times are checked here, by the application's one clock.
OPTIONS: Options = {"require": sorted(CLAIMS), "verify_exp": False, "verify_nbf": False, "verify_iat": False}
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the curve P-256 (FIPS 186-5)


class InvalidToken(Unauthorized):
    """401 {"code": "invalid_token"}: forged, expired, or of another kind."""

    code = "invalid_token"
    message = "Invalid token"


@dataclass(frozen=True)
class Claims:
    """What a token says of who brings it, from when until when."""

    user_id: int
    session_id: int
    begins: datetime
    ends: datetime
    fresh_until: datetime | None

    @property
    def is_fresh(self) -> bool:
        return self.fresh_until is not None and clock.now() < self.fresh_until


class _LowS(ECAlgorithm):
    """ES256 with signatures in one form only: r, -s is as good as r, s, and a token must not have a twin."""

    def sign(self, msg: bytes, key: EllipticCurvePrivateKey) -> bytes:
        r, s = decode_dss_signature(key.sign(msg, ECDSA(SHA256())))
        return r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")


_SIGNER = jwt.PyJWS()
_SIGNER.unregister_algorithm("ES256")
_SIGNER.register_algorithm("ES256", _LowS(ECAlgorithm.SHA256, SECP256R1))


def issue(user_id: int, session_id: int, auth_time: datetime, *, fresh: bool = False) -> str:
    """A signed token for this session; `fresh` after a password, so that it may change what matters for 10 minutes."""
    now = clock.now()
    claims: dict[str, Any] = {
        "iss": settings().public_url,
        "aud": settings().audience,
        "sub": str(user_id),
        "client_id": CLIENT,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(minutes=settings().jwt_duration)).timestamp()),
        "auth_time": int(auth_time.timestamp()),
        "jti": crypto.encode(crypto.random_bytes(16)),
        "sid": str(session_id),
    }
    if fresh:
        claims["fresh_until"] = int((now + FRESH_FOR).timestamp())
    key = signer()
    return _SIGNER.encode(orjson.dumps(claims), key.private, "ES256", {"kid": key.kid, "typ": "at+jwt"})


def read(token: str) -> Claims:
    """What the token says, once its signature, kind, issuer, audience and times are right.

    Raises:
        InvalidToken: anything else.
        Unavailable: no key could be read yet.
    """
    claims = _verified().recall(token) or _verify(token)
    if not claims.begins - LEEWAY <= clock.now() < claims.ends:
        raise InvalidToken
    return claims


def _verify(token: str) -> Claims:
    key = ring().find(_kid(token))
    if key is None or not _has_low_s(token):
        raise InvalidToken
    try:
        claims = _said(_signed(token, key.private.public_key()))
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, OSError):
        raise InvalidToken from None
    _verified().remember(token, key.kid, claims)
    return claims


def _verified() -> Verified[Claims]:
    """The running application's."""
    found = current_app.extensions.get(KEY)
    if found is None:
        found = current_app.extensions[KEY] = Verified[Claims](ring())
    assert isinstance(found, Verified)
    return found


def _kid(token: str) -> str:
    """The key that the header names; a header with more than our three members (jku, crit, b64, zip) is not ours."""
    try:
        header = json.loads(crypto.decode(token.partition(".")[0]).decode(), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        raise InvalidToken from None
    named = dict(header) if _is_object(header) and len(header) == 3 else {}
    kid = named.get("kid")
    if not isinstance(kid, str) or named != {"alg": "ES256", "typ": "at+jwt", "kid": kid}:
        raise InvalidToken
    return kid


def _is_object(parsed: object) -> bool:
    return isinstance(parsed, tuple)


def _signed(token: str, key: Any) -> dict[str, Any]:
    issuer, audience = settings().public_url, settings().audience
    return jwt.decode(token, key, algorithms=["ES256"], issuer=issuer, audience=audience, options=OPTIONS)


def _said(claims: dict[str, Any]) -> Claims:
    begins, fresh = max(claims["iat"], claims.get("nbf", 0)), claims.get("fresh_until")
    return Claims(
        user_id=_id(claims["sub"]),
        session_id=_id(claims["sid"]),
        begins=_moment(begins),
        ends=_moment(claims["exp"]),
        fresh_until=_moment(fresh) if fresh is not None else None,
    )


def _id(text: str) -> int:
    """An id written in its one way."""
    number = int(text)
    if str(number) != text or not 0 < number <= LARGEST:
        raise InvalidToken
    return number


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _has_low_s(token: str) -> bool:
    signature = crypto.decode(token.rpartition(".")[2])
    return len(signature) == 64 and int.from_bytes(signature[32:], "big") <= ORDER // 2
