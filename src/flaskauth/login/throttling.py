"""Limits on attempts at passwords and second factors: unrecognised clients wait, the user is not locked out.

Attempts are counted before the comparison and refunded if it succeeds. Above a limit, every wrong password gets 429,
whether or not the email address exists. During a lockout, recognised devices and networks have 10 more passwords
compared, so an attacker cannot lock a user out. Codes of apps and recovery codes share the same limits, by user.
Consecutive wrong codes of apps have a limit for all clients (`mfa.code_failures`).

Wrong passwords and codes are also counted per network, for all accounts together. This count is made when the result is
known, so that many users behind one address can sign in concurrently: a right password costs the network nothing. Past
the limit a right password is rejected too, so no more passwords of an attacker take effect than the limit allows
(ADR 18).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from flaskauth import audit
from flaskauth.core.context import settings
from flaskauth.core.db.session import commit_now
from flaskauth.core.errors import APIError, Overloaded, TooManyRequests
from flaskauth.core.http import request_limits
from flaskauth.mfa import challenges, code_failures
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import MAX_LOCKOUT, RateLimit, RateLimitResult

T = TypeVar("T")

PASSWORD, SECOND_FACTOR = "password", "second factor"  # what is attempted
EMAIL_NETWORK_LIMIT = RateLimit(5, timedelta(hours=24), has_backoff=True)
EMAIL_LIMIT = RateLimit(10, timedelta(minutes=15), has_backoff=True)
CONSECUTIVE_LIMIT = RateLimit(100, timedelta(days=3650))  # NIST SP 800-63B-4 section 3.2.2
LOCKOUT_LIMIT = RateLimit(10, MAX_LOCKOUT)
CLEARED_BY_RESET_LIMIT = RateLimit(1, timedelta(days=1))
NETWORK_KEY = "failed sign-ins of network"
ATTACK_RATE = "1000/minute"  # failed sign-ins of all clients


class CodesRejected(TooManyRequests):
    """429 `too_many_requests`: too many consecutive codes of apps were wrong, and waiting does not help."""

    code = "too_many_requests"
    message = "Too many codes were wrong. Use a recovery code or a passkey."


@dataclass(frozen=True)
class LoginAttempt:
    """The account, the network and device, whether the user is recognised there, and what is attempted.

    The account of a password is the normalized email address, that of a second factor the user id. A recovery code is
    not guessable, so its consecutive failures have no limit.
    """

    account: str | int
    network: str
    device_id: int | None = None
    is_recognised: bool = False
    kind: str = PASSWORD
    is_guessable: bool = True
    challenge_id: int | None = None
    session_id: int | None = None


@dataclass(frozen=True)
class AttemptResult:
    """Whether to compute and compare the hash, the seconds to wait otherwise, and the counted attempt to refund."""

    hit: RateLimitResult
    should_hash: bool
    should_compare: bool
    retry_after: float = 0
    is_final: bool = False  # no time ends the lockout

    @property
    def is_locked_out(self) -> bool:
        return self.retry_after > 0


def verify(
    attempt: LoginAttempt, compare: Callable[[AttemptResult], T | None], fail: Callable[[], APIError]
) -> tuple[T, AttemptResult]:
    """Count an attempt and commit it, then compare. Return the result of the comparison, and the attempt to refund.

    Past the limit of failures of a network, a success fails too, in a request that began before as well.

    Args:
        compare: returns None for a failure.
        fail: records a failure, and returns the error.

    Raises:
        TooManyRequests, Overloaded
        APIError: the result of `fail`.
        ChallengeExpired: the login challenge has no attempts left.
    """
    if network_wait := network_retry_after(attempt):
        raise TooManyRequests(retry_after=network_wait)
    result = commit_now(count_attempt, attempt, is_under_attack())
    try:
        value = compare(result)
    except Overloaded:  # nothing was compared
        cancel(result)
        raise
    network_wait = network_retry_after(attempt) if value is not None else record_failure(attempt)
    if value is not None and not network_wait:
        return value, result
    error = fail()
    if result.is_locked_out or network_wait:
        is_rejected = result.is_final and attempt.kind == SECOND_FACTOR
        error_type = CodesRejected if is_rejected else TooManyRequests
        raise error_type(retry_after=max(result.retry_after, network_wait))
    raise error


def count_attempt(attempt: LoginAttempt, is_attack: bool) -> AttemptResult:
    """Count an attempt before the comparison. Call it through `commit_now`.

    Raises:
        ChallengeExpired: the login challenge has no attempts left.
    """
    if attempt.challenge_id is not None:
        challenges.count_attempt(attempt.challenge_id)
    network_limit, email_limit = EMAIL_NETWORK_LIMIT, EMAIL_LIMIT
    if is_attack and not attempt.is_recognised:
        network_limit, email_limit = _halve(network_limit), _halve(email_limit)
    pair_key, account_key = _lockout_keys(attempt)
    hit = rate_limits.hit((pair_key, network_limit), (account_key, email_limit), *_consecutive_limits(attempt))
    return AttemptResult(hit, should_hash=True, should_compare=True) if hit.is_allowed else _hit_lockout(attempt, hit)


def refund(attempt: LoginAttempt, result: AttemptResult) -> None:
    """Refund a successful attempt, and reset the failures of this account."""
    consecutive = [key for key, _ in _consecutive_limits(replace(attempt, is_guessable=True))]
    rate_limits.refund(result.hit, _attempt_key("pair", attempt, attempt.network), *consecutive)


def cancel(result: AttemptResult) -> None:
    """Refund an attempt that was not compared. Earlier failures still count."""
    rate_limits.refund(result.hit)


def reset(normalized_email: str, user_id: int, network: str) -> None:
    """Reset the failures and lockouts of a user whose email address a password reset has verified again.

    Those of codes are reset at most once a day, and never the count for all clients. Otherwise a reader of the mailbox
    could guess codes without end.
    """
    password, code = LoginAttempt(normalized_email, network), LoginAttempt(user_id, network, kind=SECOND_FACTOR)
    keys = [*_lockout_keys(password), _attempt_key("row", password)]
    cleared = _attempt_key("cleared", code), CLEARED_BY_RESET_LIMIT
    if rate_limits.hit(cleared).is_allowed:
        keys += [*_lockout_keys(code), code_failures.unrecognised_key(user_id)]
    rate_limits.reset(*keys)


def network_retry_after(attempt: LoginAttempt) -> float:
    """Return the seconds until the network may try again, 0 if it may now. Recognised devices never wait."""
    if attempt.device_id is not None:
        return 0
    return request_limits.retry_after(settings().rate_limit_login_failures, NETWORK_KEY, attempt.network)


def record_failure(attempt: LoginAttempt) -> float:
    """Count a failure, unless a recognised device sent it. Return the seconds to wait, 0 within the limit.

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

    The first 10 attempts of each network or device compute a hash, so the response time does not reveal the lockout.
    Only those of recognised clients are compared. Their codes of authenticator apps also count towards the limit of
    100 for all clients, so a recognised client cannot guess codes without end.
    """
    remaining, max_lockout = rejected.retry_after, MAX_LOCKOUT.total_seconds()
    is_final = remaining > max_lockout
    until = "for good" if is_final else rejected.retry_at.isoformat()
    source = attempt.network if attempt.device_id is None else attempt.device_id
    limits = [(_attempt_key("wait", attempt, until, source), LOCKOUT_LIMIT)]
    if attempt.is_recognised and attempt.kind == SECOND_FACTOR and attempt.is_guessable:
        limits.append((code_failures.key(attempt.account), code_failures.LIMIT))
    lockout_hit = rate_limits.hit(*limits)
    return AttemptResult(
        lockout_hit,
        should_hash=lockout_hit.is_allowed,
        should_compare=lockout_hit.is_allowed and attempt.is_recognised,
        retry_after=min(remaining, max_lockout),
        is_final=is_final,
    )


def _consecutive_limits(attempt: LoginAttempt) -> tuple[tuple[bytes, RateLimit], ...]:
    """Return the counters that only a success or a reset ends, with their limits."""
    if attempt.kind == PASSWORD:
        return ((_attempt_key("row", attempt), CONSECUTIVE_LIMIT),)
    if not attempt.is_guessable:
        return ()
    return (
        (code_failures.unrecognised_key(attempt.account), code_failures.UNRECOGNISED_LIMIT),
        (code_failures.key(attempt.account), code_failures.LIMIT),
    )


def _lockout_keys(attempt: LoginAttempt) -> tuple[bytes, bytes]:
    """Return the keys of the counter of the account and network together, and of that of the account."""
    return _attempt_key("pair", attempt, attempt.network), _attempt_key("address", attempt)


def _halve(limit: RateLimit) -> RateLimit:
    return replace(limit, limit=limit.limit // 2)


def _attempt_key(counter: str, attempt: LoginAttempt, *parts: str | int) -> bytes:
    return rate_limits.counter_key(f"{attempt.kind} {counter}", attempt.account, *parts)
