"""What is mailed about passwords."""

from datetime import timedelta

from flaskauth.accounts.models import User
from flaskauth.codes import service as codes
from flaskauth.codes.models import OneTimeCode
from flaskauth.foundation import clock
from flaskauth.mail.outbox import Message, asked

WORTH_SENDING = timedelta(days=2)


def reset_code(code: OneTimeCode, to: str, locale: str) -> Message:
    """Carries the code to the address that was proven; it names nobody, so that one to nobody is the same."""
    return Message(
        template="passwords/reset_code",
        to=to,
        locale=locale,
        context={"minutes": codes.minutes_left(code), **asked(code.network)},
        code_id=code.id,
        expires_at=code.expires_at,
    )


def password_changed(user: User, network: str) -> Message:
    """Tells the owner of a new password, however it came about."""
    return Message(
        template="passwords/password_changed",
        to=user.email,
        locale=user.locale,
        context=asked(network),
        expires_at=clock.now() + WORTH_SENDING,
    )
