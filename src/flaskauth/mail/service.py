"""List, retry and delete the mails in the outbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update

from flaskauth.core import clock, crypto
from flaskauth.core.db.session import db, delete_batch, execute_count
from flaskauth.core.observability.log import get_logger, mask_email
from flaskauth.mail.headers import sender_address
from flaskauth.mail.models import DISCARDED, FAILED, QUEUED, SENT, SUPPRESSED, OutboxMail
from flaskauth.mail.rendering import MailParts, RenderedMail, render
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes

MAILBOX_SIZE = 100
RETENTION = timedelta(days=7)
FAILED_RETENTION = timedelta(days=30)

log = get_logger(__name__)


@dataclass(frozen=True)
class MailSummary:
    """A mail as operators see it: the recipient is masked, and the code is not included."""

    id: int
    template: str
    recipient: str
    state: str
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    leased_until: datetime | None
    expires_at: datetime
    sent_at: datetime | None
    message_id: str
    last_error: str | None


@dataclass(frozen=True)
class MailboxMessage:
    """A mail as its recipient sees it."""

    id: int
    to: str
    sender: str
    subject: str
    text: str
    html: str
    sent_at: datetime | None
    message_id: str


@dataclass(frozen=True)
class MailFilter:
    """Select the mails of one user: sent to any spelling of the email address, or with one of the codes or links."""

    normalized_email: str
    emails: Sequence[str]
    code_ids: Sequence[bytes]
    link_ids: Sequence[bytes]

    def condition(self) -> ColumnElement[bool]:
        return or_(
            func.lower(OutboxMail.recipient) == self.normalized_email,
            OutboxMail.recipient.in_(self.emails),
            OutboxMail.code_id.in_(self.code_ids),
            OutboxMail.link_id.in_(self.link_ids),
        )


def list_recent(limit: int, state: str | None = None) -> list[MailSummary]:
    """Return the newest mails, optionally of one state only."""
    return [_to_summary(mail) for mail in _newest_mails(limit, state)]


def get(mail_id: int) -> MailSummary | None:
    mail = db.session.get(OutboxMail, mail_id)
    return _to_summary(mail) if mail else None


def retry(mail_ids: Sequence[int]) -> set[int]:
    """Requeue failed and queued mails for immediate delivery. Expired mails are not requeued.

    Args:
        mail_ids: The mails to requeue; if empty, all failed mails.

    Returns:
        The ids of the requeued mails.
    """
    now = clock.now()
    condition = and_(OutboxMail.id.in_(mail_ids), _is_retryable()) if mail_ids else OutboxMail.state == FAILED
    due_ids = db.session.scalars(select(OutboxMail.id).where(condition, OutboxMail.expires_at > now)).all()
    requeue = update(OutboxMail).values(state=QUEUED, next_attempt_at=now)
    return {mail_id for mail_id in due_ids if execute_count(requeue.where(OutboxMail.id == mail_id, _is_retryable()))}


def is_retryable(mail: MailSummary) -> bool:
    """Return True if the mail is queued or failed."""
    return mail.state in {QUEUED, FAILED}


def list_mailbox() -> list[MailboxMessage]:
    """Return the sent mails, the newest first, rendered again."""
    return [_to_mailbox_message(mail) for mail in _newest_mails(MAILBOX_SIZE, SENT)]


def mailbox_source(mail_id: int) -> bytes | None:
    """Return a sent mail as bytes (RFC 5322), or None if it does not exist."""
    mail = db.session.get(OutboxMail, mail_id)
    return _render_sent(mail).raw if mail and mail.state == SENT else None


def delete_sent(mail_id: int | None = None) -> int:
    """Delete one sent mail, or all of them. Return the number of deleted rows."""
    condition = OutboxMail.state == SENT
    if mail_id is not None:
        condition &= OutboxMail.id == mail_id
    return execute_count(delete(OutboxMail).where(condition))


def mailbox_etag() -> str:
    """Return an entity tag that changes with the content of the mailbox."""
    newest = select(OutboxMail.id).where(OutboxMail.state == SENT).order_by(OutboxMail.created_at.desc())
    return crypto.digest(*db.session.scalars(newest.limit(MAILBOX_SIZE))).hex()[:16]


def delete_matching(mail_filter: MailFilter) -> None:
    """Delete the matching mails, sent or not."""
    # A plain SELECT finds them: a DELETE that scans the table would wait for every mail that is being sent.
    for mail_id in db.session.scalars(select(OutboxMail.id).where(mail_filter.condition())).all():
        execute_count(delete(OutboxMail).where(OutboxMail.id == mail_id))


def purge() -> int:
    """Delete one batch of old mails. Return the number of deleted rows.

    Sent, discarded and suppressed mails are kept for 7 days, failed ones for 30 days. Queued mails are never deleted.
    """
    now = clock.now()
    finished = and_(OutboxMail.state.in_((SENT, DISCARDED, SUPPRESSED)), OutboxMail.created_at < now - RETENTION)
    failed = and_(OutboxMail.state == FAILED, OutboxMail.created_at < now - FAILED_RETENTION)
    return delete_batch(OutboxMail.id, or_(finished, failed))


def _is_retryable() -> ColumnElement[bool]:
    return OutboxMail.state.in_((QUEUED, FAILED))


def _newest_mails(limit: int, state: str | None) -> Sequence[OutboxMail]:
    newest = select(OutboxMail).order_by(OutboxMail.created_at.desc(), OutboxMail.id.desc()).limit(limit)
    return db.session.scalars(newest.where(OutboxMail.state == state) if state else newest).all()


def _to_summary(mail: OutboxMail) -> MailSummary:
    return MailSummary(
        id=mail.id,
        template=mail.template,
        recipient=mask_email(mail.recipient),
        state=mail.state,
        attempts=mail.attempts,
        created_at=mail.created_at,
        next_attempt_at=mail.next_attempt_at if mail.state == QUEUED else None,
        leased_until=mail.leased_until,
        expires_at=mail.expires_at,
        sent_at=mail.sent_at,
        message_id=mail.message_id,
        last_error=mail.last_error,
    )


def _to_mailbox_message(mail: OutboxMail) -> MailboxMessage:
    message = _render_sent(mail)
    return MailboxMessage(
        id=mail.id,
        to=mail.recipient,
        sender=str(sender_address()),
        subject=message.parts.subject,
        text=message.parts.text,
        html=message.parts.html,
        sent_at=mail.sent_at,
        message_id=mail.message_id,
    )


def _render_sent(mail: OutboxMail) -> RenderedMail:
    """Render a mail with its code or link, which may be used or expired.

    If its template was replaced by an invalid one since, the message contains the error: the other mails are shown.
    """
    code = codes.past_code(mail.code_id) if mail.code_id else ""
    link = links.past_url(mail.link_id) if mail.link_id else ""
    try:
        return render(mail, code=code, link=link)
    except Exception as error:
        log.exception("mail_cannot_be_rendered", mail_id=mail.id, template=mail.template)
        parts = MailParts(f"{mail.template} cannot be rendered", f"{type(error).__name__}: {error}\n", html="")
        raw = f"Subject: {parts.subject}\r\n\r\n{parts.text}".encode()
        return RenderedMail(mail.recipient, mail.locale, parts, raw)
