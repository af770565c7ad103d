"""Put a mail into the outbox, with the work that it tells of."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from flaskauth.foundation import clock
from flaskauth.foundation.current import settings
from flaskauth.foundation.db import after_commit
from flaskauth.foundation.ids import new_id, new_secret_id
from flaskauth.foundation.prepared import add
from flaskauth.mail.bell import ring
from flaskauth.mail.models import QUEUED, OutboxMail


@dataclass(frozen=True)
class Message:
    """A mail to send: the template is "room/name", the context plain text, code and link are references."""

    template: str
    to: str
    context: dict[str, str]
    expires_at: datetime
    code_id: bytes | None = None
    link_id: bytes | None = None
    locale: str = "en"


def asked(network: str) -> dict[str, str]:
    """From where and when a mail was asked for, as its reader sees it."""
    return {"network": network, "asked_at": as_read(clock.now())}


def as_read(moment: datetime) -> str:
    """A moment as the reader of a mail sees it."""
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def put(message: Message, state: str = QUEUED) -> int:
    """Have the mail sent once the transaction is safe; its id.

    The bell rings for a mail that nobody is to get too, so that known and unknown people cause the same work.
    """
    mail = _row(message, state)
    add(mail)
    after_commit(lambda: ring(mail.id))
    return mail.id


def _row(message: Message, state: str) -> OutboxMail:
    now = clock.now()
    return OutboxMail(
        id=new_id(),
        template=message.template,
        recipient=message.to,
        context=message.context,
        locale=message.locale,
        code_id=message.code_id,
        link_id=message.link_id,
        state=state,
        tries=0,
        created_at=now,
        next_try_at=now,
        expires_at=message.expires_at,
        message_id=f"<{new_secret_id().hex()}@{urlsplit(settings().public_url).hostname}>",
    )
