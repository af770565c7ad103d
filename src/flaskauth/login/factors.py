"""Second factors of sign-ins and reauthentications: the options for the client, and the place that verifies them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Protocol

from sqlalchemy import select

from flaskauth import audit, mail
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.login import throttling
from flaskauth.login.credentials import CredentialsRow
from flaskauth.login.throttling import AttemptResult, LoginAttempt
from flaskauth.mail import Recipient
from flaskauth.mfa import challenges, recovery_codes, totp
from flaskauth.mfa.challenges import SecondFactorRequired
from flaskauth.mfa.models import ACTIVE_PASSKEY, Passkey
from flaskauth.mfa.verification import InvalidFactor, VerifiedFactor
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes.links import LinkOwner
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import RateLimit

# Purposes of a second factor.
SECOND_FACTOR = "second_factor"
REAUTHENTICATION = "reauthentication"
TOLERATED_FAILURES = RateLimit(2, timedelta(days=1))  # failed second steps of a user before the warning
WARNING_LIMIT = RateLimit(1, timedelta(days=1))


class FactorOwner(LinkOwner, Recipient, Protocol):
    """A user, or the row of one that a sign-in has read."""


@dataclass(frozen=True)
class SubmittedFactor:
    """A second factor as the client sent it: one of them."""

    otp: str | None = None
    recovery_code: str | None = None


def begin_second_step(user: CredentialsRow, amr: str) -> SecondFactorRequired:
    """Insert a login challenge for a right first factor, record it, and return the error response with its token."""
    token, challenge = challenges.create(user.id, user.credential_version, amr, user.device_id)
    audit.record("second_factor_required", user_id=user.id)
    return SecondFactorRequired(
        challenge_token=token,
        expires_at=clock.to_rfc3339(challenge.expires_at),
        factors=usable_kinds(user.id),
        passkey=passkey_options(user.id, SECOND_FACTOR, str(challenge.id)),
    )


def usable_kinds(user_id: int) -> list[str]:
    """Return the kinds of factors that the user can sign in with, the best first."""
    passkey = select(Passkey.id).where(Passkey.user_id == user_id, ACTIVE_PASSKEY).limit(1)
    is_usable: dict[str, Callable[[], bool]] = {
        "passkey": lambda: db.session.scalar(passkey) is not None,
        "otp": lambda: totp.has_usable(user_id),
        "recovery_code": lambda: recovery_codes.count_left(user_id) > 0,
    }
    return [kind for kind, check in is_usable.items() if check()]


def passkey_options(_user_id: int, _purpose: str, _binding: str) -> dict[str, object] | None:
    """Return the options of a WebAuthn request for the passkeys of the user, or None without a usable one."""
    return None


def verify(submitted: SubmittedFactor, user: FactorOwner, attempt: LoginAttempt, purpose: str) -> VerifiedFactor:
    """Verify a second factor of the user. Its `consume` also refunds the attempt.

    Codes of all kinds share the limits of attempts. A failure is recorded, and mailed if the password is known.

    Raises:
        InvalidFactor, TooManyRequests, Overloaded
        ChallengeExpired: the login challenge has no attempts left.
    """
    user_id = user.id

    def compare(result: AttemptResult) -> VerifiedFactor | None:
        if not result.should_compare:
            return None
        if submitted.otp is not None:
            return totp.verify(user_id, submitted.otp)
        return recovery_codes.verify(user_id, submitted.recovery_code or "")

    factor, result = throttling.verify(attempt, compare, partial(_fail, user, purpose))
    return replace(factor, consume=partial(_consume_and_refund, factor, attempt, result))


def _consume_and_refund(factor: VerifiedFactor, attempt: LoginAttempt, result: AttemptResult) -> None:
    factor.consume()
    throttling.refund(attempt, result)
    rate_limits.reset(_failure_key(attempt.account))


def _fail(user: FactorOwner, purpose: str) -> InvalidFactor:
    """Record a failure. From the third one of a day, mail the user that the password is known, at most once a day."""
    audit.record("second_factor_failed", user_id=user.id, purpose=purpose)
    if purpose == SECOND_FACTOR and not rate_limits.hit((_failure_key(user.id), TOLERATED_FAILURES)).is_allowed:
        warning = rate_limits.counter_key("second factor warning", user.id), WARNING_LIMIT
        if rate_limits.hit(warning).is_allowed:
            mail.notify("login/second_factor_failed", user, link_id=links.issue_report(user).id)
    return InvalidFactor()


def _failure_key(user_id: str | int) -> bytes:
    return rate_limits.counter_key("second factor failures", user_id)
