"""Deliver what the outbox holds.

A mail is claimed by one conditional UPDATE, so that however many processes try, one of them sends it. While the mail
server is talked to, no transaction is open. A process that dies leaves its claim behind; a minute later it is free.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage

import structlog
from flask import current_app
from sqlalchemy import and_, bindparam, or_, select, update

from flaskauth.audit import record
from flaskauth.codes import links
from flaskauth.codes import service as codes
from flaskauth.foundation import clock, crypto
from flaskauth.foundation.current import settings
from flaskauth.foundation.db import transaction
from flaskauth.foundation.prepared import Prepared
from flaskauth.mail import smtp
from flaskauth.mail.models import DEAD, DROPPED, QUEUED, SENT, OutboxMail
from flaskauth.mail.rendering import render

LEASE = timedelta(seconds=60)
RESERVE = timedelta(seconds=15)  # of the lease, in which to write down what came of it
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=10)
DOUBLINGS = 7
MOST_UNSURE = 8  # tries, past which a message that may have arrived is not sent once more
BATCH = 100
AT_ONCE = 8
SWEEP_SECONDS = 50.0

_IS_DUE = and_(
    OutboxMail.state == QUEUED,
    OutboxMail.next_try_at <= bindparam("now"),
    or_(OutboxMail.leased_until.is_(None), OutboxMail.leased_until <= bindparam("now")),
)
DUE = Prepared(select(OutboxMail.id).where(_IS_DUE).order_by(OutboxMail.next_try_at).limit(BATCH))
CLAIM = Prepared(
    update(OutboxMail)
    .where(OutboxMail.id == bindparam("mail_id"), _IS_DUE)
    .values(leased_until=bindparam("lease_end"), tries=OutboxMail.tries + 1)
)
MAIL = Prepared(select(*OutboxMail.__table__.columns).where(OutboxMail.id == bindparam("mail_id")))
# Every claim counts a try, so the count names the claim: who lost it to another writes nothing.
CONCLUDE = Prepared(
    update(OutboxMail)
    .where(OutboxMail.id == bindparam("mail_id"), OutboxMail.state == QUEUED, OutboxMail.tries == bindparam("tried"))
    .values(
        state=bindparam("new_state"),
        last_error=bindparam("error"),
        leased_until=None,
        next_try_at=bindparam("next_try"),
        sent_at=bindparam("sent_now"),
    )
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What came of a try: the mail's new state and why; `next_try_at` where it is queued again."""

    state: str
    error: str | None = None
    code: int | None = None
    next_try_at: datetime | None = None


@dataclass(frozen=True)
class Claimed:
    """A mail that is this process's to send, with the code and the link as they read now; None for one that ended."""

    mail: OutboxMail
    code: str | None
    link: str | None


def deliver(mail_id: int) -> None:
    """Send one mail, if it is due and nobody else has it."""
    claimed = transaction(lambda: _claim(mail_id))
    if claimed is not None:
        outcome = _try(claimed)
        transaction(lambda: _conclude(claimed.mail, outcome))


def sweep() -> None:
    """Send everything that is due, the oldest first, some at a time, for most of a minute."""
    end, within = time.monotonic() + SWEEP_SECONDS, current_app.app_context

    def send(mail_id: int) -> None:
        if time.monotonic() < end:
            with within():
                deliver(mail_id)

    # A mailbox in the database is no mail server that is waited for.
    with ThreadPoolExecutor(1 if settings().has_mailbox else AT_ONCE) as threads:
        while time.monotonic() < end and (due := transaction(_due_ids)):
            list(threads.map(send, due))


def _due_ids() -> list[int]:
    return [row.id for row in DUE.all(now=clock.now())]


def _claim(mail_id: int) -> Claimed | None:
    now = clock.now()
    if not CLAIM.changed(mail_id=mail_id, now=now, lease_end=now + LEASE):
        return None
    mail = OutboxMail(**MAIL.one(mail_id=mail_id)._asdict())
    return Claimed(mail, _code(mail), _link(mail))


def _try(claimed: Claimed) -> Outcome:
    mail, code, link = claimed.mail, claimed.code, claimed.link
    if mail.expires_at <= clock.now():
        return Outcome(DROPPED, "expired")
    if code is None or link is None:
        return Outcome(DROPPED, f"its {'code' if code is None else 'link'} ended")
    try:
        message = render(mail, code, link)
    except Exception:  # whatever is wrong with this mail must not keep the others
        log.exception("mail_cannot_be_rendered", mail_id=mail.id, template=mail.template)
        return Outcome(DEAD, "cannot be rendered")
    return _send(mail, message)


def _code(mail: OutboxMail) -> str | None:
    return "" if mail.code_id is None else codes.reveal(mail.code_id)


def _link(mail: OutboxMail) -> str | None:
    return "" if mail.link_id is None else links.reveal(mail.link_id)


def _send(mail: OutboxMail, message: EmailMessage) -> Outcome:
    if settings().has_mailbox:
        return Outcome(SENT)
    try:
        smtp.send(message, mail.recipient, _seconds_left(mail))
    except smtp.Rejected as error:
        return Outcome(DEAD, str(error), error.code)
    except smtp.Undelivered as error:
        is_enough = error.may_have_arrived and mail.tries >= MOST_UNSURE
        return Outcome(DEAD, str(error)) if is_enough else _later(mail, str(error))
    return Outcome(SENT)


def _seconds_left(mail: OutboxMail) -> float:
    end = (mail.leased_until or clock.now()) - RESERVE
    return max(0.0, (end - clock.now()).total_seconds())


def _later(mail: OutboxMail, error: str) -> Outcome:
    """Wait twice as long each time, but try up to the end of the mail's use: at most half of what is left."""
    left = mail.expires_at - clock.now()
    wait = min(FIRST_WAIT * 2 ** min(mail.tries - 1, DOUBLINGS), LONGEST_WAIT, left / 2)
    if wait < FIRST_WAIT:
        return Outcome(DEAD, error)
    jitter = wait * crypto.random_number(1000) / 4000
    return Outcome(QUEUED, error, next_try_at=clock.now() + wait + jitter)


def _conclude(mail: OutboxMail, outcome: Outcome) -> None:
    said = {"new_state": outcome.state, "error": outcome.error, "next_try": outcome.next_try_at or mail.next_try_at}
    sent_at = clock.now() if outcome.state == SENT else None
    if CONCLUDE.changed(mail_id=mail.id, tried=mail.tries, sent_now=sent_at, **said):
        _tell(mail, outcome)


def _tell(mail: OutboxMail, outcome: Outcome) -> None:
    tell = log.info if outcome.state == SENT else log.warning
    tell("mail", state=outcome.state, mail_id=mail.id, template=mail.template, tries=mail.tries, error=outcome.error)
    if outcome.code is not None:
        record("mail_rejected", mail_id=mail.id, reply=outcome.code)
