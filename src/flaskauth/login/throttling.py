"""Limits on password attempts: unrecognised clients wait, the user is not locked out.

Attempts are counted before the hash and refunded if the password is correct. Above a limit, every wrong password gets
429, whether or not the email address exists. During a lockout, recognised devices and networks have 10 more passwords
compared, so an attacker cannot lock a user out.

Wrong passwords are also counted per network, for all accounts together. This count is made when the result is known, so
that many users behind one address can sign in concurrently: a right password costs the network nothing. Past the limit
a right password is rejected too, so no more passwords of an attacker take effect than the limit allows (ADR 18).
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from flaskauth import audit
from flaskauth.core.context import settings
from flaskauth.core.http import request_limits
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import MAX_LOCKOUT, RateLimit, RateLimitResult

EMAIL_NETWORK_LIMIT = RateLimit(5, timedelta(hours=24), has_backoff=True)
EMAIL_LIMIT = RateLimit(10, timedelta(minutes=15), has_backoff=True)
CONSECUTIVE_LIMIT = RateLimit(100, timedelta(days=3650))  # NIST SP 800-63B-4 section 3.2.2
LOCKOUT_LIMIT = RateLimit(10, MAX_LOCKOUT)
NETWORK_KEY = "failed sign-ins of network"
ATTACK_RATE = "1000/minute"  # failed sign-ins of all clients


@dataclass(frozen=True)
class LoginAttempt:
    """The account, the network and device, and whether the user is recognised there."""

    normalized_email: str
    network: str
    device_id: int | None = None
    is_recognised: bool = False


@dataclass(frozen=True)
class AttemptResult:
    """Whether to compute and compare the hash, the seconds to wait otherwise, and the counted attempt to refund."""

    hit: RateLimitResult
    should_hash: bool
    should_compare: bool
    retry_after: float = 0

    @property
    def is_locked_out(self) -> bool:
        return self.retry_after > 0


def count_attempt(attempt: LoginAttempt, is_attack: bool) -> AttemptResult:
    """Count a password attempt before the password is verified. Call it through `commit_now`."""
    email, network_limit, email_limit = attempt.normalized_email, EMAIL_NETWORK_LIMIT, EMAIL_LIMIT
    if is_attack and not attempt.is_recognised:
        network_limit, email_limit = _halve(network_limit), _halve(email_limit)
    hit = rate_limits.hit(
        (_key("pair", email, attempt.network), network_limit),
        (_key("address", email), email_limit),
        (_key("row", email), CONSECUTIVE_LIMIT),
    )
    return AttemptResult(hit, should_hash=True, should_compare=True) if hit.is_allowed else _hit_lockout(attempt, hit)


def refund(attempt: LoginAttempt, result: AttemptResult) -> None:
    """Refund a correct password, and reset the failures of this email address."""
    email = attempt.normalized_email
    rate_limits.refund(result.hit, _key("pair", email, attempt.network), _key("row", email))


def cancel(result: AttemptResult) -> None:
    """Refund an attempt whose password was not compared. Earlier failures still count."""
    rate_limits.refund(result.hit)


def reset(normalized_email: str, network: str) -> None:
    """Reset the failures and lockouts of an email address that a password reset has verified again."""
    rate_limits.reset(
        _key("pair", normalized_email, network), _key("address", normalized_email), _key("row", normalized_email)
    )


def network_retry_after(attempt: LoginAttempt) -> float:
    """Return the seconds until the network may try a password, 0 if it may now. Recognised devices never wait."""
    if attempt.device_id is not None:
        return 0
    return request_limits.retry_after(settings().rate_limit_login_failures, NETWORK_KEY, attempt.network)


def record_failure(attempt: LoginAttempt) -> float:
    """Count a wrong password, unless a recognised device sent it. Return the seconds to wait, 0 within the limit.

    Above the attack rate of all clients, record an audit event, at most one a minute in each process.
    """
    is_within_limit = attempt.device_id is not None or request_limits.hit(
        settings().rate_limit_login_failures, NETWORK_KEY, attempt.network
    )
    if not request_limits.hit(ATTACK_RATE, "failed sign-ins") and request_limits.hit("1/minute", "sign-in alarm"):
        audit.record("sign_in_rate_exceeded")
    return 0 if is_within_limit else network_retry_after(attempt)


def is_under_attack() -> bool:
    """Return True if the failed sign-ins of all clients exceed the attack rate."""
    return request_limits.retry_after(ATTACK_RATE, "failed sign-ins") > 0


def _hit_lockout(attempt: LoginAttempt, rejected: RateLimitResult) -> AttemptResult:
    """Count an attempt during a lockout.

    The first 10 of each network or device compute a hash, so the response time does not reveal the lockout. Only
    attempts of recognised clients are compared.
    """
    remaining, max_lockout = rejected.retry_after, MAX_LOCKOUT.total_seconds()
    until = rejected.retry_at.isoformat() if remaining <= max_lockout else "for good"
    source = attempt.network if attempt.device_id is None else attempt.device_id
    lockout_hit = rate_limits.hit((_key("wait", attempt.normalized_email, until, source), LOCKOUT_LIMIT))
    return AttemptResult(
        lockout_hit,
        should_hash=lockout_hit.is_allowed,
        should_compare=lockout_hit.is_allowed and attempt.is_recognised,
        retry_after=min(remaining, max_lockout),
    )


def _halve(limit: RateLimit) -> RateLimit:
    return replace(limit, limit=limit.limit // 2)


def _key(kind: str, *parts: str | int) -> bytes:
    return rate_limits.counter_key(f"password {kind}", *parts)
