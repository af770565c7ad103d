"""Rate limits for mails that can be requested without authentication, per recipient."""

from datetime import timedelta

from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import RateLimit

EMAIL_NETWORK_LIMIT = RateLimit(3, timedelta(hours=1))
EMAIL_LIMIT = RateLimit(20, timedelta(days=1))
RECOGNISED_EMAIL_LIMIT = RateLimit(5, timedelta(days=1))


def reserve(normalized_email: str, network: str, *, is_recognised: bool) -> bool:
    """Count one more mail to this email address. Return True if it may be sent.

    Recognised devices and networks (`is_recognised`) have an additional limit of their own.
    """
    if not rate_limits.hit(rate_limits.counter_key("mail", normalized_email, network), EMAIL_NETWORK_LIMIT).is_allowed:
        return False
    if rate_limits.hit(rate_limits.counter_key("mail", normalized_email), EMAIL_LIMIT).is_allowed:
        return True
    return (
        is_recognised
        and rate_limits.hit(rate_limits.counter_key("mail known", normalized_email), RECOGNISED_EMAIL_LIMIT).is_allowed
    )
