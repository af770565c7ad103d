"""What is mailed about changes of address."""

from datetime import timedelta

from flaskauth.accounts.models import User
from flaskauth.codes import service as codes
from flaskauth.codes.models import Link, OneTimeCode
from flaskauth.foundation import clock
from flaskauth.mail.outbox import Message, asked

WORTH_SENDING = timedelta(days=2)


def prove_address(code: OneTimeCode, to: str, locale: str) -> Message:
    """Carries the code to the new address; it names nobody, who may not be who was meant."""
    return Message(
        template="email_change/prove_address",
        to=to,
        locale=locale,
        context={"minutes": codes.minutes_left(code), **asked(code.network)},
        code_id=code.id,
        expires_at=code.expires_at,
    )


def change_requested(user: User, new_address: str, link: Link, network: str) -> Message:
    """Tells the address that the account has, and lets it take the change back."""
    return Message(
        template="email_change/change_requested",
        to=user.email,
        locale=user.locale,
        context={"new_address": new_address, **asked(network)},
        link_id=link.id,
        expires_at=clock.now() + WORTH_SENDING,
    )


def address_changed(user: User, old_address: str, link_id: bytes, network: str) -> Message:
    """Tells the address that the account had, and lets it take the change back."""
    return Message(
        template="email_change/address_changed",
        to=old_address,
        locale=user.locale,
        context={"new_address": user.email, **asked(network)},
        link_id=link_id,
        expires_at=clock.now() + WORTH_SENDING,
    )
