"""Verification of one-time codes: by id, by email address, or by the code alone, each with its own attempt limit.

An attempt is counted and committed before the comparison, and refunded if the code is correct. Exhausting one method
blocks only that method, so an attacker cannot block the client that holds the id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import or_, select, update

from flaskauth.core import clock
from flaskauth.core.db.session import commit_now, db, execute_count
from flaskauth.core.errors import APIError, TooManyRequests, Unauthorized
from flaskauth.one_time_codes import derivation
from flaskauth.one_time_codes.models import OneTimeCode
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import RateLimit, RateLimitResult

MAX_ATTEMPTS_BY_ID = 5
EMAIL_LIMIT = RateLimit(10, timedelta(hours=1))
EMAIL_NETWORK_LIMIT = RateLimit(5, timedelta(hours=1))
CODE_ONLY_NETWORK_LIMIT = RateLimit(10, timedelta(hours=1))
CODE_ONLY_GLOBAL_LIMIT = RateLimit(1000, timedelta(hours=1))


class InvalidCode(Unauthorized):
    """401 `invalid_code`: the same for a code that is wrong, used, expired or was never mailed."""

    code = "invalid_code"
    message = "Failed to verify account, Invalid OTP Code"


class VerificationAmbiguous(APIError):
    """409 `verification_ambiguous`: the code is correct, but several registrations of the email address are pending."""

    status = 409
    message = (
        "Several registrations are pending for this email address."
        " Send the code of your own mail with the verification_id that your registration returned."
    )


@dataclass(frozen=True)
class SubmittedCode:
    """A code as the client sent it."""

    purpose: str
    raw_code: str
    network: str

    @property
    def code(self) -> str:
        return derivation.normalize_code(self.raw_code)


@dataclass(frozen=True)
class VerifiedCode:
    """A verified code, and the rate-limit counters to refund."""

    code_id: bytes
    nonce: bytes
    normalized_email: str
    rate_limit_hits: tuple[RateLimitResult, ...] | None  # None if verified by id: the row itself counts the attempts

    def consume(self) -> None:
        """Mark the code as used, in the caller's transaction.

        Raises:
            InvalidCode: a concurrent request used it, or it was revoked, renewed or expired since it was verified.
        """
        now = clock.now()
        usable = update(OneTimeCode).where(
            OneTimeCode.id == self.code_id,
            OneTimeCode.nonce == self.nonce,
            OneTimeCode.used_at.is_(None),
            OneTimeCode.is_decoy.is_(False),
            OneTimeCode.code_expires_at > now,
        )
        if not execute_count(usable.values(used_at=now, request_expires_at=now)):
            raise InvalidCode

    def refund(self) -> None:
        """Refund the counted attempt."""
        for hit in self.rate_limit_hits or ():
            rate_limits.refund(hit)
        if self.rate_limit_hits is None:
            counted = update(OneTimeCode).where(OneTimeCode.id == self.code_id, OneTimeCode.attempts > 0)
            execute_count(counted.values(attempts=OneTimeCode.attempts - 1))


def verify_by_id(submitted: SubmittedCode, code_id: bytes) -> VerifiedCode:
    """Verify a code by its id.

    Raises:
        InvalidCode, TooManyRequests
    """
    counted = commit_now(_count_attempt_by_id, submitted.purpose, code_id)
    row = db.session.get(OneTimeCode, code_id)
    if row and row.purpose == submitted.purpose and not row.is_closed and not counted:
        raise TooManyRequests(retry_after=(row.request_expires_at - clock.now()).total_seconds())
    if not row or not counted or not _is_correct(row, submitted.code):
        raise InvalidCode
    return VerifiedCode(row.id, row.nonce, row.normalized_email, None)


def verify_by_email(submitted: SubmittedCode, normalized_email: str) -> VerifiedCode:
    """Verify a code by email address.

    Raises:
        InvalidCode, TooManyRequests
    """
    hit = commit_now(_count_attempt_by_email, submitted.purpose, normalized_email, submitted.network)
    _raise_if_limited(hit)
    usable = _usable_codes(submitted.purpose, normalized_email)
    return _require_unique([row for row in usable if _is_correct(row, submitted.code)], (hit,))


def verify_by_code(submitted: SubmittedCode) -> VerifiedCode:
    """Verify a code without id or email address.

    If the global limit is exhausted, only codes that were requested from the client's network are accepted.

    Raises:
        InvalidCode, TooManyRequests
    """
    hits, same_network_only = commit_now(_count_attempt_by_code, submitted.purpose, submitted.network)
    _raise_if_limited(hits[0])
    candidates = select(OneTimeCode).where(
        OneTimeCode.lookup.in_(derivation.lookup_digests(submitted.purpose, submitted.code))
    )
    rows = [row for row in db.session.scalars(candidates) if _is_correct(row, submitted.code)]
    return _require_unique([row for row in rows if row.network == submitted.network or not same_network_only], hits)


def require_single_candidate(purpose: str, verified: VerifiedCode) -> None:
    """Reject a code that was verified without its id if the email address has several candidates.

    A request whose mail was suppressed is a candidate until it expires. Otherwise an attacker who exhausts the mail
    limit could make the user enter the attacker's code, the only one that was mailed. The attempt is refunded.

    Raises:
        VerificationAmbiguous
    """
    now = clock.now()
    candidates = select(OneTimeCode.id).where(
        OneTimeCode.purpose == purpose,
        OneTimeCode.normalized_email == verified.normalized_email,
        OneTimeCode.used_at.is_(None),
        OneTimeCode.is_decoy.is_(False),
        OneTimeCode.request_expires_at > now,
        or_(OneTimeCode.is_suppressed.is_(True), OneTimeCode.code_expires_at > now),
    )
    if len(db.session.scalars(candidates).all()) > 1:
        verified.refund()
        raise VerificationAmbiguous


def _require_unique(rows: Sequence[OneTimeCode], hits: tuple[RateLimitResult, ...]) -> VerifiedCode:
    """Return the only row. Two rows with the same code are both rejected, because the owner is unknown."""
    if len(rows) != 1:
        raise InvalidCode
    return VerifiedCode(rows[0].id, rows[0].nonce, rows[0].normalized_email, hits)


def _usable_codes(purpose: str, normalized_email: str) -> list[OneTimeCode]:
    rows = select(OneTimeCode).where(OneTimeCode.purpose == purpose, OneTimeCode.normalized_email == normalized_email)
    return [row for row in db.session.scalars(rows.where(OneTimeCode.code_expires_at > clock.now())) if row.is_usable]


def _is_correct(row: OneTimeCode, code: str) -> bool:
    return derivation.matches(row, code) and row.is_usable


def _raise_if_limited(hit: RateLimitResult) -> None:
    if not hit.is_allowed:
        raise TooManyRequests(retry_after=hit.retry_after)


def _count_attempt_by_id(purpose: str, code_id: bytes) -> bool:
    code = update(OneTimeCode).where(OneTimeCode.id == code_id, OneTimeCode.purpose == purpose)
    with_attempts_left = code.where(OneTimeCode.attempts < MAX_ATTEMPTS_BY_ID, OneTimeCode.used_at.is_(None))
    return execute_count(with_attempts_left.values(attempts=OneTimeCode.attempts + 1)) == 1


def _count_attempt_by_email(purpose: str, normalized_email: str, network: str) -> RateLimitResult:
    return rate_limits.hit(
        (rate_limits.counter_key("code", purpose, normalized_email, network), EMAIL_NETWORK_LIMIT),
        (rate_limits.counter_key("code", purpose, normalized_email), EMAIL_LIMIT),
    )


def _count_attempt_by_code(purpose: str, network: str) -> tuple[tuple[RateLimitResult, ...], bool]:
    hit = rate_limits.hit((rate_limits.counter_key("code alone", purpose, network), CODE_ONLY_NETWORK_LIMIT))
    global_hit = rate_limits.hit_sharded(f"codes alone {purpose}", CODE_ONLY_GLOBAL_LIMIT) if hit.is_allowed else None
    return ((hit, global_hit), False) if global_hit else ((hit,), True)
