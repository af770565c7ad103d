"""What is mailed about the end of an account."""

from datetime import datetime, timedelta

from flaskauth.accounts.models import User
from flaskauth.foundation import clock
from flaskauth.mail.outbox import Message, as_read, asked

WORTH_SENDING = timedelta(days=2)


def account_closing(user: User, closes_at: datetime, network: str) -> Message:
    """Tells the owner until when the account can be taken back; that is how long it is worth sending."""
    return Message(
        template="closing/account_closing",
        to=user.email,
        locale=user.locale,
        context={**asked(network), "closes_at": as_read(closes_at)},
        expires_at=closes_at,
    )


def account_restored(user: User, network: str) -> Message:
    """Tells the owner that the account stays."""
    return Message(
        template="closing/account_restored",
        to=user.email,
        locale=user.locale,
        context=asked(network),
        expires_at=clock.now() + WORTH_SENDING,
    )


def account_erased(user: User) -> Message:
    """Tells who was the owner that nothing is held any more; the last mail."""
    return Message(
        template="closing/account_erased",
        to=user.email,
        locale=user.locale,
        context={},
        expires_at=clock.now() + WORTH_SENDING,
    )
