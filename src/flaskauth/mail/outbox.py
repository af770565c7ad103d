"""Put a mail in the outbox, in the transaction that it reports on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

from flask import has_request_context

from flaskauth.core import clock
from flaskauth.core.context import settings
from flaskauth.core.db.compiled import insert_row
from flaskauth.core.db.session import after_commit
from flaskauth.core.http.request import client_network
from flaskauth.core.ids import new_id, new_secret_id
from flaskauth.mail.dispatch import notify_worker
from flaskauth.mail.models import DEFAULT_LOCALE, QUEUED, OutboxMail
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.models import OneTimeCode

NOTIFICATION_LIFETIME = timedelta(days=2)


class Recipient(Protocol):
    """A user, a registration, or a row of one: an email address and the language to write in."""

    @property
    def email(self) -> str: ...

    @property
    def locale(self) -> str: ...


@dataclass(frozen=True)
class EmailRecipient:
    """A recipient for whom there is no suitable user or registration row."""

    email: str
    locale: str = DEFAULT_LOCALE


@dataclass(frozen=True)
class Message:
    """A mail to send: the template is "package/name", the context plain text, code and link are references."""

    template: str
    to: str
    context: dict[str, str]
    expires_at: datetime
    code_id: bytes | None = None
    link_id: bytes | None = None
    locale: str = DEFAULT_LOCALE


def notify(
    template: str,
    recipient: Recipient,
    *,
    code: OneTimeCode | None = None,
    link_id: bytes | None = None,
    expires_at: datetime | None = None,
    state: str = QUEUED,
    **context: str,
) -> None:
    """Enqueue a mail to a recipient, in the recipient's language.

    The request details (`network` and `requested_at`) are added to the template's context: those of the code's request,
    else of the current one. A mail from a periodic job has none, and a caller that passes `network` replaces them.

    Args:
        template: "package/name".
        code: The code that the mail carries; the mail expires with it.
        link_id: The link that the mail carries.
        expires_at: When the mail is no longer worth sending; by default in 2 days.
        state: QUEUED, or the state of a mail that is stored but never sent: DISCARDED, SUPPRESSED.
        context: Further values for the template.
    """
    if code:
        context = {"minutes": codes.minutes_left(code), **request_details(code.network), **context}
        expires_at = code.code_expires_at
    elif "network" not in context and has_request_context():
        context = {**request_details(client_network()), **context}
    message = Message(
        template=template,
        to=recipient.email,
        locale=recipient.locale,
        context=context,
        expires_at=expires_at or clock.now() + NOTIFICATION_LIFETIME,
        code_id=code.id if code else None,
        link_id=link_id,
    )
    enqueue(message, state)


def request_details(network: str) -> dict[str, str]:
    """Return the template values for where and when a mail was requested."""
    return {"network": network, "requested_at": format_timestamp(clock.now())}


def format_timestamp(timestamp: datetime) -> str:
    """Return a UTC time as mails show it."""
    return timestamp.strftime("%Y-%m-%d %H:%M UTC")


def enqueue(message: Message, state: str = QUEUED) -> int:
    """Insert the mail and have the worker notified after the commit. Return the mail's id.

    The worker is also notified of mails that are never sent, so that known and unknown email addresses cause the same
    work.
    """
    mail = _build_row(message, state)
    insert_row(mail)
    after_commit(notify_worker)
    return mail.id


def _build_row(message: Message, state: str) -> OutboxMail:
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
        attempts=0,
        created_at=now,
        next_attempt_at=now,
        expires_at=message.expires_at,
        message_id=f"<{new_secret_id().hex()}@{urlsplit(settings().public_url).hostname}>",
    )
