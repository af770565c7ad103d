"""What is mailed about sessions."""

from datetime import timedelta

from flaskauth.accounts.models import User
from flaskauth.foundation import clock
from flaskauth.mail.outbox import Message
from flaskauth.sessions.device_names import device_name
from flaskauth.sessions.models import Session

WORTH_SENDING = timedelta(days=2)


def token_reused(user: User, session: Session) -> Message:
    """Tells the owner that an old refresh token came again and its session was ended."""
    return Message(
        template="sessions/token_reused",
        to=user.email,
        locale=user.locale,
        context={
            "device": device_name(session.device),
            "network": session.network,
            "started_at": clock.stamp(session.created_at),
            "noticed_at": clock.stamp(clock.now()),
        },
        expires_at=clock.now() + WORTH_SENDING,
    )
