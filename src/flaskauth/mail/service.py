"""Look into the outbox, and clear it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update

from flaskauth.codes import links
from flaskauth.codes import service as codes
from flaskauth.foundation import clock, crypto
from flaskauth.foundation.db import changed, db, delete_some
from flaskauth.foundation.log import masked
from flaskauth.mail.models import DEAD, DROPPED, QUEUED, SENT, WITHHELD, OutboxMail
from flaskauth.mail.rendering import render

MAILBOX_SIZE = 100
KEPT = timedelta(days=7)
DEAD_KEPT = timedelta(days=30)


@dataclass(frozen=True)
class Listed:
    """A mail as operators see it: whose it is only in outline, and never its code."""

    id: int
    template: str
    recipient: str
    state: str
    tries: int
    created_at: datetime
    next_try_at: datetime | None
    leased_until: datetime | None
    expires_at: datetime
    sent_at: datetime | None
    message_id: str
    last_error: str | None


@dataclass(frozen=True)
class Letter:
    """A mail as its reader sees it."""

    id: int
    to: str
    sender: str
    subject: str
    text: str
    html: str
    sent_at: datetime | None
    message_id: str


@dataclass(frozen=True)
class Correspondence:
    """What was mailed to one person: to the address, however it was spelled, or with one of these codes or links."""

    address: str
    spellings: Sequence[str]
    code_ids: Sequence[bytes]
    link_ids: Sequence[bytes]

    def holds(self) -> ColumnElement[bool]:
        return or_(
            func.lower(OutboxMail.recipient) == self.address,
            OutboxMail.recipient.in_(self.spellings),
            OutboxMail.code_id.in_(self.code_ids),
            OutboxMail.link_id.in_(self.link_ids),
        )


def recent(limit: int, state: str | None = None) -> list[Listed]:
    """The newest mails, of one state or of all."""
    return [_listed(mail) for mail in _newest(limit, state)]


def find(mail_id: int) -> Listed | None:
    """One mail."""
    mail = db.session.get(OutboxMail, mail_id)
    return _listed(mail) if mail else None


def retry(mail_ids: Sequence[int]) -> set[int]:
    """Have mails that are dead or wait tried again now; every dead one where none is named. None whose use is over.

    Returns those that will be.
    """
    now = clock.now()
    chosen = and_(OutboxMail.id.in_(mail_ids), _is_open()) if mail_ids else OutboxMail.state == DEAD
    found = db.session.scalars(select(OutboxMail.id).where(chosen, OutboxMail.expires_at > now)).all()
    again = update(OutboxMail).values(state=QUEUED, next_try_at=now)
    return {mail_id for mail_id in found if changed(again.where(OutboxMail.id == mail_id, _is_open()))}


def is_open(mail: Listed) -> bool:
    """Whether it is neither sent nor given up as of no use."""
    return mail.state in {QUEUED, DEAD}


def mailbox() -> list[Letter]:
    """The mails that were sent, the newest first, each as it looks now."""
    return [_letter(mail) for mail in _newest(MAILBOX_SIZE, SENT)]


def mailbox_tag() -> str:
    """Changes when the mailbox does."""
    newest = select(OutboxMail.id).where(OutboxMail.state == SENT).order_by(OutboxMail.created_at.desc())
    return crypto.digest(*db.session.scalars(newest.limit(MAILBOX_SIZE))).hex()[:16]


def forget(mails: Correspondence) -> None:
    """Delete what was mailed to somebody, and what is still to be sent."""
    # Found by a plain read: a DELETE that looks through the table would wait for every mail that is being sent.
    for mail_id in db.session.scalars(select(OutboxMail.id).where(mails.holds())).all():
        changed(delete(OutboxMail).where(OutboxMail.id == mail_id))


def purge() -> int:
    """Delete what is over, some at a time; how many went.

    Mails that were sent, dropped or withheld stay for 7 days, dead ones for 30; queued ones until they are either.
    """
    now = clock.now()
    over = and_(OutboxMail.state.in_((SENT, DROPPED, WITHHELD)), OutboxMail.created_at < now - KEPT)
    dead = and_(OutboxMail.state == DEAD, OutboxMail.created_at < now - DEAD_KEPT)
    return delete_some(OutboxMail.id, or_(over, dead))


def _is_open() -> ColumnElement[bool]:
    return OutboxMail.state.in_((QUEUED, DEAD))


def _newest(limit: int, state: str | None) -> Sequence[OutboxMail]:
    newest = select(OutboxMail).order_by(OutboxMail.created_at.desc(), OutboxMail.id.desc()).limit(limit)
    return db.session.scalars(newest.where(OutboxMail.state == state) if state else newest).all()


def _listed(mail: OutboxMail) -> Listed:
    return Listed(
        id=mail.id,
        template=mail.template,
        recipient=masked(mail.recipient),
        state=mail.state,
        tries=mail.tries,
        created_at=mail.created_at,
        next_try_at=mail.next_try_at if mail.state == QUEUED else None,
        leased_until=mail.leased_until,
        expires_at=mail.expires_at,
        sent_at=mail.sent_at,
        message_id=mail.message_id,
        last_error=mail.last_error,
    )


def _letter(mail: OutboxMail) -> Letter:
    message = _rendered(mail)
    return Letter(
        id=mail.id,
        to=str(message["To"]),
        sender=str(message["From"]),
        subject=str(message["Subject"]),
        text=_part(message, "plain"),
        html=_part(message, "html"),
        sent_at=mail.sent_at,
        message_id=mail.message_id,
    )


def _rendered(mail: OutboxMail) -> EmailMessage:
    code = codes.shown(mail.code_id) if mail.code_id else ""
    return render(mail, code, links.shown(mail.link_id) if mail.link_id else "")


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""
