"""What is mailed about sign-ins."""

from datetime import timedelta
from typing import Any

from flaskauth.codes.models import Link
from flaskauth.foundation import clock
from flaskauth.mail.outbox import Message, asked

WORTH_SENDING = timedelta(days=2)


def new_device(user: Any, device: str, network: str, link: Link) -> Message:
    """Tells the owner of a sign-in from a device never seen, and lets it be disowned."""
    return Message(
        template="login/new_device",
        to=user.email,
        locale=user.locale,
        context={"device": device, **asked(network)},
        link_id=link.id,
        expires_at=clock.now() + WORTH_SENDING,
    )
