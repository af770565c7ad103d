"""What is mailed about accounts that were taken back."""

from datetime import timedelta

from flaskauth.accounts.models import User
from flaskauth.foundation import clock
from flaskauth.mail.outbox import Message, asked

WORTH_SENDING = timedelta(days=2)


def taken_back(user: User, network: str) -> Message:
    """Tells the owner that everybody is signed out, and that a new password is due."""
    return Message(
        template="recovery/taken_back",
        to=user.email,
        locale=user.locale,
        context=asked(network),
        expires_at=clock.now() + WORTH_SENDING,
    )
