"""Interleaved outbox deliveries: uncommitted mail is not sent, and leased mail is sent once."""

from contextlib import closing
from functools import partial

import pytest
from tests.concurrency.interleaving import COMMIT, run_interleaved
from tests.conftest import sql_servers
from tests.mail.helpers import MailHarness
from tests.mail.test_mail_leases import LEASE, claim
from tests.mail.test_mail_outbox import take_notifications

from flaskauth.core import clock
from flaskauth.core.db.session import transaction
from flaskauth.mail import delivery, smtp
from flaskauth.mail.models import SENT

pytestmark = pytest.mark.parametrize("database", sql_servers(), indirect=True)

MAIL_INSERTED = (COMMIT, "INSERT INTO outbox")
BEFORE_CLAIM = "UPDATE outbox"  # read as due, before the claim
BEFORE_RESULT = (
    "UPDATE outbox",
    "SELECT one_time_codes",
)  # sent, before the result is recorded


def visible_mails(harness: MailHarness) -> tuple[int, int]:
    """Return the numbers of notifications and of delivered mails."""
    harness.deliver_due()
    return take_notifications(harness), len(harness.sink.messages)


def deliver_in_this_thread(harness: MailHarness) -> None:
    with harness.app.app_context(), closing(smtp.Connections()) as connections:
        for claimed in transaction(delivery._claim_due):
            delivery._deliver(claimed, connections)


def test_outbox_mail_is_invisible_before_commit(harness: MailHarness) -> None:
    _, seen_before_commit = run_interleaved(
        harness.app, MAIL_INSERTED, harness.enqueue, partial(visible_mails, harness)
    )

    assert seen_before_commit == (0, 0)
    assert visible_mails(harness) == (1, 1)


def test_outbox_mail_due_for_two_workers_is_sent_once(harness: MailHarness) -> None:
    mail_id = harness.enqueue()
    run_interleaved(harness.app, BEFORE_CLAIM, harness.deliver_due, harness.deliver_due)

    assert (harness.row(mail_id).state, harness.row(mail_id).attempts) == (SENT, 1)
    assert len(harness.sink.messages) == 1


def test_outbox_mail_with_expired_lease_is_sent_once_more(harness: MailHarness) -> None:
    mail_id = harness.enqueue()
    claim(harness, mail_id)
    clock.travel(LEASE)
    run_interleaved(harness.app, BEFORE_CLAIM, harness.deliver_due, harness.deliver_due)

    assert (harness.row(mail_id).state, harness.row(mail_id).attempts) == (SENT, 2)
    assert len(harness.sink.messages) == 1


def test_outbox_mail_is_leased_until_its_result_is_stored(harness: MailHarness) -> None:
    mail_id = harness.enqueue()

    def deliver_by_others() -> int:
        harness.deliver_due()
        harness.deliver_due()
        return len(harness.sink.messages)

    _, sent_count = run_interleaved(
        harness.app, BEFORE_RESULT, partial(deliver_in_this_thread, harness), deliver_by_others
    )
    assert sent_count == 1
    assert (harness.row(mail_id).state, harness.row(mail_id).attempts) == (SENT, 1)


def test_outbox_lease_overrun_resends_the_same_message_id(harness: MailHarness) -> None:
    """A mail may arrive twice, so that none is lost. Mail programs show equal Message-IDs once."""
    mail_id = harness.enqueue()

    def deliver_after_lease() -> None:
        clock.travel(LEASE)
        harness.deliver_due()

    run_interleaved(harness.app, BEFORE_RESULT, partial(deliver_in_this_thread, harness), deliver_after_lease)
    assert (harness.row(mail_id).state, harness.row(mail_id).attempts) == (SENT, 2)
    assert {received.message["Message-ID"] for received in harness.sink.messages} == {harness.row(mail_id).message_id}
