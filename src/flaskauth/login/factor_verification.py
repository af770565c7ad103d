"""Second factors of sign-ins and reauthentications: their options for the client, and their verification."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Protocol

from flaskauth import audit, mail
from flaskauth.core import clock
from flaskauth.login import throttling
from flaskauth.login.credentials import CredentialsRow
from flaskauth.login.throttling import AttemptResult, LoginAttempt
from flaskauth.mail import Recipient
from flaskauth.mfa import challenges, recovery_codes, totp
from flaskauth.mfa.challenges import SecondFactorRequired
from flaskauth.mfa.verification import InvalidFactor, VerifiedFactor
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes.links import LinkOwner
from flaskauth.passkeys import assertions
from flaskauth.passkeys.challenges import SECOND_FACTOR
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import RateLimit

TOLERATED_FAILURES = RateLimit(2, timedelta(days=1))  # wrong second factors of a user before the warning
WARNING_LIMIT = RateLimit(1, timedelta(days=1))


class FactorOwner(LinkOwner, Recipient, Protocol):
    """A user, or the row of one that a sign-in has read."""


@dataclass(frozen=True)
class SubmittedFactor:
    """The second factor that the client sent. One of the fields is set."""

    otp: str | None = None
    recovery_code: str | None = None
    passkey: Mapping[str, object] | None = None


def begin_second_step(user: CredentialsRow, amr: str) -> SecondFactorRequired:
    """Insert a login challenge for a right first factor, record it, and return the error response with its token."""
    token, challenge = challenges.create(user.id, user.credential_version, amr, user.device_id)
    audit.record("second_factor_required", user_id=user.id)
    return SecondFactorRequired(
        challenge_token=token,
        expires_at=clock.to_rfc3339(challenge.expires_at),
        **options(user.id, SECOND_FACTOR, str(challenge.id)),
    )


def options(user_id: int, purpose: str, binding: str) -> dict[str, object]:
    """Return the kinds of factors that the user can use, the best first, and the options of a WebAuthn request."""
    passkey = assertions.factor_options(user_id, purpose, binding)
    is_usable: dict[str, Callable[[], bool]] = {
        "passkey": lambda: passkey is not None,
        "otp": lambda: totp.has_usable(user_id),
        "recovery_code": lambda: recovery_codes.count_left(user_id) > 0,
    }
    return {"factors": [kind for kind, check in is_usable.items() if check()], "passkey": passkey}


def verify(
    submitted: SubmittedFactor, user: FactorOwner, attempt: LoginAttempt, purpose: str, binding: str
) -> VerifiedFactor:
    """Verify a second factor of the user. Its `consume` also refunds the attempt.

    Codes of all kinds share the limits of attempts. A passkey cannot be guessed, so it has none. A failure is recorded.
    From the third one of a day, the user is mailed, because the first factor was right.

    Raises:
        InvalidFactor, TooManyRequests, Overloaded
        ChallengeExpired: the login challenge has no attempts left.
    """
    user_id = user.id
    if submitted.passkey is not None:
        passkey = assertions.verify_factor(user_id, submitted.passkey, purpose, binding)
        if passkey is None:
            raise _fail(user, purpose, attempt.session_id)
        return passkey

    def compare(result: AttemptResult) -> VerifiedFactor | None:
        if not result.should_compare:
            return None
        if submitted.otp is not None:
            return totp.verify(user_id, submitted.otp)
        return recovery_codes.verify(user_id, submitted.recovery_code or "")

    attempt = replace(attempt, is_guessable=submitted.otp is not None)
    factor, result = throttling.verify(attempt, compare, partial(_fail, user, purpose, attempt.session_id))
    return replace(factor, consume=partial(_consume_and_refund, factor, attempt, result))


def report_recovery_code(user: FactorOwner, session_id: int, codes_left: int) -> None:
    """Record that a session has used a recovery code, and mail the user a link that reports the session."""
    audit.record("recovery_code_used", user_id=user.id, session_id=session_id)
    link = links.issue_report(user, session_id)
    mail.notify("login/recovery_code_used", user, link_id=link.id, codes_left=str(codes_left))


def _consume_and_refund(factor: VerifiedFactor, attempt: LoginAttempt, result: AttemptResult) -> None:
    factor.consume()
    throttling.refund(attempt, result)
    rate_limits.reset(_failure_key(attempt.account))


def _fail(user: FactorOwner, purpose: str, session_id: int | None) -> InvalidFactor:
    """Record a failure. From the third one of a day, mail the user, at most once a day.

    The link of the mail reports the session of a reauthentication. A sign-in has none yet.
    """
    audit.record("second_factor_failed", user_id=user.id, session_id=session_id, purpose=purpose)
    if not rate_limits.hit((_failure_key(user.id), TOLERATED_FAILURES)).is_allowed:
        warning = rate_limits.counter_key("second factor warning", user.id), WARNING_LIMIT
        if rate_limits.hit(warning).is_allowed:
            mail.notify("login/second_factor_failed", user, link_id=links.issue_report(user, session_id).id)
    return InvalidFactor()


def _failure_key(user_id: str | int) -> bytes:
    return rate_limits.counter_key("second factor failures", user_id)
