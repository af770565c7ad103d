"""`service.retry` queues failed mails again."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.mail.helpers import TEN_MINUTES, MailHarness

from flaskauth.core import clock
from flaskauth.core.db.session import db, transaction
from flaskauth.mail import service
from flaskauth.mail.models import DISCARDED, FAILED, QUEUED, SENT, SUPPRESSED, OutboxMail


def retry(harness: MailHarness, mail_ids: Sequence[int] = ()) -> set[int]:
    with harness.app.app_context():
        return transaction(lambda: service.retry(mail_ids))


def enqueue_rejected_mail(harness: MailHarness, lifetime: timedelta = TEN_MINUTES) -> int:
    """Enqueue a mail that the SMTP sink rejects permanently; the sink accepts the next one."""
    harness.sink.mode = "reject"
    mail_id = harness.enqueue(lifetime=lifetime)
    harness.deliver_due()
    harness.sink.mode = "ok"
    return mail_id


@pytest.mark.parametrize("by_id", [True, False])
def test_retry_sends_failed_mail_with_same_message_id(harness: MailHarness, by_id: bool) -> None:
    mail_id = enqueue_rejected_mail(harness)
    before = harness.row(mail_id)

    assert retry(harness, [mail_id] if by_id else ()) == {mail_id}
    harness.deliver_due()

    row, [received] = harness.row(mail_id), harness.sink.messages
    assert (row.state, row.attempts, row.last_error) == (SENT, 2, None)
    assert received.message["Message-ID"] == before.message_id


def test_retry_by_id_sends_deferred_mail_immediately(harness: MailHarness) -> None:
    harness.sink.mode = "tempfail"
    mail_id = harness.enqueue()
    harness.deliver_due()
    harness.sink.mode = "ok"

    assert retry(harness) == set()
    assert retry(harness, [mail_id]) == {mail_id}
    harness.deliver_due()
    assert harness.row(mail_id).state == SENT


def test_retry_keeps_lease_of_mail_being_sent(harness: MailHarness) -> None:
    mail_id, lease = harness.enqueue(), clock.now() + timedelta(seconds=60)
    _update_mail(harness, mail_id, leased_until=lease)

    retry(harness, [mail_id])
    harness.deliver_due()
    assert (harness.row(mail_id).state, harness.row(mail_id).leased_until) == (QUEUED, lease)
    assert harness.sink.messages == []


@pytest.mark.parametrize("state", [SENT, DISCARDED, SUPPRESSED])
def test_retry_ignores_sent_discarded_and_suppressed_mails(harness: MailHarness, state: str) -> None:
    mail_id = harness.enqueue()
    _update_mail(harness, mail_id, state=state)

    assert retry(harness, [mail_id]) == retry(harness) == set()
    assert harness.row(mail_id).state == state


def test_retry_ignores_expired_mail(harness: MailHarness) -> None:
    mail_id = enqueue_rejected_mail(harness, lifetime=timedelta(minutes=1))
    clock.travel(timedelta(minutes=2))

    assert retry(harness, [mail_id]) == retry(harness) == set()
    assert harness.row(mail_id).state == FAILED


def test_retry_discards_mail_with_used_code(harness: MailHarness) -> None:
    mail_id = enqueue_rejected_mail(harness)
    harness.use_code(mail_id)

    retry(harness)
    harness.deliver_due()
    assert harness.row(mail_id).state == DISCARDED


def _update_mail(harness: MailHarness, mail_id: int, **values: object) -> None:
    def update() -> None:
        mail = db.session.get_one(OutboxMail, mail_id)
        for name, value in values.items():
            setattr(mail, name, value)

    with harness.app.app_context():
        transaction(update)
