"""Login challenges: sign-ins whose first factor was right, and which wait for a second one."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from sqlalchemy import and_, bindparam, null, select, update

from flaskauth.core import clock, crypto
from flaskauth.core.db.compiled import CompiledStatement, insert_row
from flaskauth.core.db.session import delete_batch
from flaskauth.core.errors import Unauthorized
from flaskauth.core.http.request import client_network
from flaskauth.core.http.schemas import UTCTimestamp, fields
from flaskauth.core.ids import new_id
from flaskauth.mfa.models import LoginChallenge

LIFETIME = timedelta(minutes=5)
MAX_ATTEMPTS = 5

_IS_CHALLENGE = LoginChallenge.id == bindparam("challenge_id")
_IS_UNUSED = LoginChallenge.used_at.is_(None)
_IS_VALID = and_(_IS_UNUSED, LoginChallenge.expires_at > bindparam("now"))
CHALLENGE_QUERY = CompiledStatement(
    select(*LoginChallenge.__table__.columns).where(LoginChallenge.token_digest == bindparam("digest"), _IS_VALID),
    LoginChallenge,
)
COUNT_ATTEMPT = CompiledStatement(
    update(LoginChallenge)
    .where(_IS_CHALLENGE, _IS_UNUSED, LoginChallenge.attempts < MAX_ATTEMPTS)
    .values(attempts=LoginChallenge.attempts + 1)
)
CONSUME = CompiledStatement(update(LoginChallenge).where(_IS_CHALLENGE, _IS_VALID).values(used_at=bindparam("now")))
RELEASE = CompiledStatement(update(LoginChallenge).where(_IS_CHALLENGE).values(used_at=null()))


class ChallengeExpired(Unauthorized):
    """401 `invalid_token`: the challenge is unknown, used or expired, or a credential of the user has changed."""

    code = "invalid_token"
    message = "This sign-in has expired. Please sign in again."


class SecondFactorRequired(Unauthorized):
    """401 `second_factor_required`: the first factor was right. With the challenge, the client sends a second one."""

    code = "second_factor_required"
    message = "Please confirm your identity with a second factor."

    detail_fields: ClassVar[Mapping[str, fields.Field[Any]]] = {
        "challenge_token": fields.String(
            metadata={"description": "For POST /auth/second-factor and /auth/lost-factor"}
        ),
        "expires_at": UTCTimestamp(metadata={"description": "When the challenge expires"}),
        "factors": fields.List(
            fields.String(), metadata={"description": "Kinds of second factors that the user has, the best first"}
        ),
        "passkey": fields.Dict(
            allow_none=True, metadata={"description": "Options of a WebAuthn request; null without a passkey"}
        ),
    }
    example: ClassVar[Mapping[str, object]] = {
        "challenge_token": "q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9z0x1c",
        "expires_at": "2026-01-10T16:48:48Z",
        "factors": ["otp", "recovery_code"],
        "passkey": None,
    }


def create(user_id: int, credential_version: int, amr: str, device_id: int | None) -> tuple[str, LoginChallenge]:
    """Insert a challenge. Return its token, which is not stored, and the row."""
    token, now = crypto.base64url_encode(crypto.random_bytes(32)), clock.now()
    challenge = LoginChallenge(
        id=new_id(),
        token_digest=_digest(token),
        user_id=user_id,
        credential_version=credential_version,
        amr=amr,
        device_id=device_id,
        network=client_network(),
        attempts=0,
        created_at=now,
        expires_at=now + LIFETIME,
    )
    insert_row(challenge)
    return token, challenge


def count_attempt(challenge_id: int) -> None:
    """Count an attempt at a code. After 5, the challenge is rejected: the user has to enter the password again.

    Raises:
        ChallengeExpired: it had 5 attempts, or was used.
    """
    if not COUNT_ATTEMPT.rowcount(challenge_id=challenge_id):
        raise ChallengeExpired


def find(token: str) -> LoginChallenge:
    """Return the challenge of a token.

    Raises:
        ChallengeExpired: it is unknown, used or expired.
    """
    challenge = CHALLENGE_QUERY.first(digest=_digest(token), now=clock.now())
    if challenge is None:
        raise ChallengeExpired
    return challenge


def consume(challenge_id: int) -> None:
    """Mark a challenge as used.

    Raises:
        ChallengeExpired: a concurrent request used it, or it has expired.
    """
    if not CONSUME.rowcount(challenge_id=challenge_id, now=clock.now()):
        raise ChallengeExpired


def release(challenge_id: int) -> None:
    """Make a challenge valid again that this transaction has consumed. The row lock hides it from other requests."""
    RELEASE.rowcount(challenge_id=challenge_id)


def purge() -> int:
    """Delete one batch of expired challenges. Return the number of deleted rows."""
    return delete_batch(LoginChallenge.id, LoginChallenge.expires_at < clock.now())


def _digest(token: str) -> bytes:
    return crypto.sha256(token.encode())
