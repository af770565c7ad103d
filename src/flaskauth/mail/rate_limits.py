"""Rate limits for mails that can be requested without authentication: per mailbox, and per network that requests them.

A limit of all mails to one mailbox protects its owner from many networks. A limit of all mails from one network
protects many mailboxes from one client.
"""

from datetime import timedelta

from flaskauth.core.context import settings
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import RateLimit

EMAIL_NETWORK_LIMIT = RateLimit(3, timedelta(hours=1))
EMAIL_LIMIT = RateLimit(20, timedelta(days=1))
RECOGNISED_EMAIL_LIMIT = RateLimit(5, timedelta(days=1))


def reserve(normalized_email: str, network: str, *, is_recognised: bool) -> bool:
    """Count one more mail to this email address. Return True if it may be sent.

    Recognised devices and networks (`is_recognised`) have an additional limit of their own.
    """
    mailbox = _mailbox(normalized_email)
    network_limit = rate_limits.counter_key("mail", mailbox, network), EMAIL_NETWORK_LIMIT
    limits = (network_limit, *_network_limits(network), (rate_limits.counter_key("mail", mailbox), EMAIL_LIMIT))
    if rate_limits.hit(*limits).is_allowed:
        return True
    recognised_limit = rate_limits.counter_key("mail known", mailbox), RECOGNISED_EMAIL_LIMIT
    return is_recognised and rate_limits.hit(network_limit, recognised_limit).is_allowed


def refund_network(network: str) -> None:
    """Refund a mail to its network after its code verified a registration.

    The mail reached a user who wanted it, so a school or an office that registers does not reach the limit.
    """
    rate_limits.decrement([key for key, _ in _network_limits(network)])


def _network_limits(network: str) -> list[tuple[bytes, RateLimit]]:
    limits = rate_limits.parse(settings().rate_limit_mail)
    return [(rate_limits.counter_key("mails of network", network, str(limit.window)), limit) for limit in limits]


def _mailbox(normalized_email: str) -> str:
    """Return the email address without its tag and the dots of its local part.

    Mail providers deliver `grace+1@`, `grace+2@` and some also `g.race@` to the mailbox of `grace@`. Addresses that a
    provider distinguishes share a limit, which does no harm.
    """
    local, _, domain = normalized_email.rpartition("@")
    return f"{(local.partition('+')[0] or local).replace('.', '')}@{domain}"
