"""Deliver the mails in the outbox (ADR 27).

A mail is claimed by one conditional UPDATE, so that only one process sends it, however many try. Several mails are
claimed in one transaction; the result of each is recorded by itself. No transaction is open while the server talks to
the mail server. The claim of a process that dies expires after a minute.
"""

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import and_, bindparam, or_, select, update

from flaskauth.audit import record
from flaskauth.core import clock, crypto
from flaskauth.core.context import settings
from flaskauth.core.db.compiled import CompiledStatement
from flaskauth.core.db.session import transaction
from flaskauth.core.observability.log import get_logger
from flaskauth.mail import smtp
from flaskauth.mail.models import DISCARDED, FAILED, QUEUED, SENT, OutboxMail
from flaskauth.mail.rendering import RenderedMail, render
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes

LEASE = timedelta(seconds=60)
LEASE_RESERVE = timedelta(seconds=15)  # part of the lease that is kept for recording the result
FIRST_RETRY_DELAY = timedelta(seconds=5)
MAX_RETRY_DELAY = timedelta(minutes=10)
MAX_DOUBLINGS = 7
MAX_UNCERTAIN_ATTEMPTS = 8  # after these, a message that may have arrived is not sent again
CLAIM_SIZE = 20
CONCURRENCY = 8
RUN_SECONDS = 50.0

_IS_DUE = and_(
    OutboxMail.state == QUEUED,
    OutboxMail.next_attempt_at <= bindparam("now"),
    or_(OutboxMail.leased_until.is_(None), OutboxMail.leased_until <= bindparam("now")),
)
# Concurrent workers do not wait for each other: each skips the rows that another is claiming.
DUE_QUERY = CompiledStatement(
    select(*OutboxMail.__table__.columns)
    .where(_IS_DUE)
    .order_by(OutboxMail.next_attempt_at)
    .limit(CLAIM_SIZE)
    .with_for_update(skip_locked=True),
    OutboxMail,
)
# SQLite has no row locks: the row may have changed since it was read.
CLAIM = CompiledStatement(
    update(OutboxMail)
    .where(OutboxMail.id == bindparam("mail_id"), OutboxMail.attempts == bindparam("attempts_before"), _IS_DUE)
    .values(leased_until=bindparam("lease_end"), attempts=OutboxMail.attempts + 1)
)
# Every claim increments `attempts`, so the value identifies the claim. A process that lost its claim writes nothing.
RECORD_RESULT = CompiledStatement(
    update(OutboxMail)
    .where(
        OutboxMail.id == bindparam("mail_id"), OutboxMail.state == QUEUED, OutboxMail.attempts == bindparam("attempt")
    )
    .values(
        state=bindparam("new_state"),
        last_error=bindparam("error"),
        leased_until=None,
        next_attempt_at=bindparam("next_attempt"),
        sent_at=bindparam("sent_now"),
    )
)

log = get_logger(__name__)


@dataclass(frozen=True)
class DeliveryResult:
    """The mail's new state after an attempt, and the reason. `next_attempt_at` is set if the mail is queued again."""

    state: str
    error: str | None = None
    smtp_code: int | None = None
    next_attempt_at: datetime | None = None


CANNOT_BE_RENDERED = DeliveryResult(FAILED, "cannot be rendered")
# The code of a decoy is never valid.
NOT_VALID = {name: DeliveryResult(DISCARDED, f"its {name} is no longer valid") for name in ("code", "link")}


@dataclass(frozen=True)
class ClaimedMail:
    """A mail that this process has claimed.

    `code` and `link` are the current ones: "" if the mail carries none, None if it is no longer valid.
    """

    mail: OutboxMail
    code: str | None
    link: str | None


def deliver_due() -> None:
    """Send all mails that are due, the oldest first, for at most RUN_SECONDS. Commits the claims, then each result."""
    end, app_context = time.monotonic() + RUN_SECONDS, current_app.app_context
    # The development mailbox is in the database: there is no mail server to wait for.
    threads = 1 if settings().has_mailbox else CONCURRENCY
    sending: set[Future[None]] = set()

    def deliver_in_thread(claimed: ClaimedMail) -> None:
        with app_context():
            _deliver(claimed, connections)

    with closing(smtp.Connections()) as connections, ThreadPoolExecutor(threads) as executor:
        while time.monotonic() < end:
            claimed_mails = transaction(_claim_due)
            sending |= {executor.submit(deliver_in_thread, claimed) for claimed in claimed_mails}
            if len(claimed_mails) < CLAIM_SIZE:
                break
            while len(sending) > threads:  # a slow mail occupies one thread, and does not hold the others
                done, sending = wait(sending, return_when=FIRST_COMPLETED)
                _raise_errors(done)
        _raise_errors(sending)


def _raise_errors(futures: set[Future[None]]) -> None:
    for future in futures:
        future.result()


def _claim_due() -> list[ClaimedMail]:
    now = clock.now()
    lease_end = now + LEASE
    claimed = []
    for mail in DUE_QUERY.all(now=now):
        if CLAIM.rowcount(mail_id=mail.id, attempts_before=mail.attempts, now=now, lease_end=lease_end):
            mail.attempts, mail.leased_until = mail.attempts + 1, lease_end
            code = "" if mail.code_id is None else codes.current_code(mail.code_id)
            link = "" if mail.link_id is None else links.current_url(mail.link_id)
            claimed.append(ClaimedMail(mail, code, link))
    return claimed


def _deliver(claimed: ClaimedMail, connections: smtp.Connections) -> None:
    """Send a claimed mail, and commit the result."""
    result = _attempt(claimed, connections)
    transaction(lambda: _record_result(claimed.mail, result))


def _attempt(claimed: ClaimedMail, connections: smtp.Connections) -> DeliveryResult:
    mail, code, link = claimed.mail, claimed.code, claimed.link
    if mail.expires_at <= clock.now():
        return DeliveryResult(DISCARDED, "expired")
    try:
        # A mail that is not sent is rendered too. Otherwise the next response would be slower than after a sent mail,
        # which would reveal that the email address has no account.
        message = render(mail, code or "", link or "")
    except Exception:  # an error in one mail must not stop the others
        log.exception("mail_cannot_be_rendered", mail_id=mail.id, template=mail.template)
        return CANNOT_BE_RENDERED
    if code is None or link is None:
        return NOT_VALID["code" if code is None else "link"]
    return _send(mail, message, connections)


def _send(mail: OutboxMail, message: RenderedMail, connections: smtp.Connections) -> DeliveryResult:
    if settings().has_mailbox:
        return DeliveryResult(SENT)
    try:
        lease_end = (mail.leased_until or clock.now()) - LEASE_RESERVE
        connections.send(message.raw, message.to, timeout=max(0.0, (lease_end - clock.now()).total_seconds()))
    except smtp.PermanentDeliveryError as error:
        return DeliveryResult(FAILED, str(error), error.code)
    except smtp.DeliveryError as error:
        is_last_attempt = error.is_uncertain and mail.attempts >= MAX_UNCERTAIN_ATTEMPTS
        return DeliveryResult(FAILED, str(error)) if is_last_attempt else _reschedule(mail, str(error))
    return DeliveryResult(SENT)


def _reschedule(mail: OutboxMail, error: str) -> DeliveryResult:
    """Double the delay after each attempt, up to half of the time until the mail expires. Then give up."""
    remaining = mail.expires_at - clock.now()
    delay = min(FIRST_RETRY_DELAY * 2 ** min(mail.attempts - 1, MAX_DOUBLINGS), MAX_RETRY_DELAY, remaining / 2)
    if delay < FIRST_RETRY_DELAY:
        return DeliveryResult(FAILED, error)
    jitter = delay * crypto.random_number(1000) / 4000
    return DeliveryResult(QUEUED, error, next_attempt_at=clock.now() + delay + jitter)


def _record_result(mail: OutboxMail, result: DeliveryResult) -> None:
    values = {
        "new_state": result.state,
        "error": result.error,
        "next_attempt": result.next_attempt_at or mail.next_attempt_at,
    }
    sent_at = clock.now() if result.state == SENT else None
    if not RECORD_RESULT.rowcount(mail_id=mail.id, attempt=mail.attempts, sent_now=sent_at, **values):
        return
    log_at_level = log.info if result.state == SENT or result in NOT_VALID.values() else log.warning
    log_at_level(
        "mail", state=result.state, mail_id=mail.id, template=mail.template, attempts=mail.attempts, error=result.error
    )
    if result.smtp_code is not None:
        record("mail_rejected", mail_id=mail.id, reply=result.smtp_code)
    if result is CANNOT_BE_RENDERED:
        record("mail_not_rendered", mail_id=mail.id)
