"""What is mailed about joining."""

from datetime import timedelta
from typing import Any

from flaskauth.codes import service as codes
from flaskauth.codes.models import OneTimeCode
from flaskauth.foundation import clock
from flaskauth.mail.outbox import Message, asked
from flaskauth.registration.models import Registration

WORTH_SENDING = timedelta(days=1)


def prove_address(attempt: Registration, code: OneTimeCode) -> Message:
    """Carries the code to the address as it was typed in the attempt."""
    return Message(
        template="registration/prove_address",
        to=attempt.email,
        locale=attempt.locale,
        context={
            "first_name": attempt.first_name,
            "last_name": attempt.last_name,
            "minutes": codes.minutes_left(code),
            **asked(attempt.network),
        },
        code_id=code.id,
        expires_at=code.expires_at,
    )


def already_registered(owner: Any, network: str) -> Message:
    """Tells the owner, at the address that was proven, that somebody tried to register with it."""
    return Message(
        template="registration/already_registered",
        to=owner.email,
        locale=owner.locale,
        context=asked(network),
        expires_at=clock.now() + WORTH_SENDING,
    )


def to_nobody(email: str) -> Message:
    """Stands where nobody is to be mailed, so that the work is the same."""
    return Message(
        template="registration/already_registered", to=email, context=asked(""), expires_at=clock.now() + WORTH_SENDING
    )
