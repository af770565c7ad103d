import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from tests.mail.helpers import MailHarness

from flaskauth.core import clock
from flaskauth.core.db.session import transaction
from flaskauth.mail import delivery, smtp
from flaskauth.mail.models import QUEUED, SENT
from flaskauth.mail.rendering import render

LEASE = timedelta(seconds=60)


def wait_until_claimed(harness: MailHarness, mail_id: int) -> None:
    for _ in range(500):
        if harness.row(mail_id).leased_until:
            return
        threading.Event().wait(0.01)
    pytest.fail("the mail was not claimed")


def test_leased_mail_is_sent_by_one_process(harness: MailHarness) -> None:
    harness.sink.mode = "hang"
    mail_id = harness.enqueue()

    with ThreadPoolExecutor() as pool:
        delivery_future = pool.submit(harness.deliver_due)
        wait_until_claimed(harness, mail_id)
        harness.deliver_due()
        harness.deliver_due()
        assert not delivery_future.done()
        harness.sink.mode = "ok"
        delivery_future.result(10)

    assert harness.row(mail_id).attempts == 1
    assert len(harness.sink.messages) == 1


def test_concurrent_deliveries_send_each_mail_once(harness: MailHarness) -> None:
    for number in range(40):
        harness.enqueue(f"p{number}@example.com")
    barrier = threading.Barrier(3)

    def deliver() -> None:
        barrier.wait()
        harness.deliver_due()

    with ThreadPoolExecutor() as pool:
        for delivery_future in [pool.submit(deliver) for _ in range(3)]:
            delivery_future.result(30)

    assert sorted(received.recipients[0] for received in harness.sink.messages) == sorted(
        f"p{number}@example.com" for number in range(40)
    )
    assert {row.attempts for row in harness.rows()} == {1}


def test_mail_of_dead_process_is_sent_after_lease_expiry(harness: MailHarness) -> None:
    mail_id = harness.enqueue()
    claim(harness, mail_id)

    clock.travel(LEASE - timedelta(seconds=2))
    harness.deliver_due()
    assert harness.sink.messages == []

    clock.travel(timedelta(seconds=3))
    harness.deliver_due()
    assert (harness.row(mail_id).state, harness.row(mail_id).attempts) == (SENT, 2)
    assert len(harness.sink.messages) == 1


def test_lost_lease_neither_sends_nor_updates_mail(harness: MailHarness) -> None:
    mail_id = harness.enqueue()
    claimed = claim(harness, mail_id)
    clock.travel(LEASE)
    harness.deliver_due()

    with harness.app.app_context():
        result = delivery._attempt(claimed, smtp.Connections())
        transaction(lambda: delivery._record_result(claimed.mail, result))

    row = harness.row(mail_id)
    assert (result.state, row.state, row.last_error) == (QUEUED, SENT, None)
    assert len(harness.sink.messages) == 1


def test_lost_lease_does_not_release_next_lease(harness: MailHarness) -> None:
    mail_id = harness.enqueue()
    claimed = claim(harness, mail_id)
    clock.travel(LEASE)
    claim(harness, mail_id)
    before = harness.row(mail_id)

    with harness.app.app_context():
        transaction(lambda: delivery._record_result(claimed.mail, delivery.DeliveryResult(SENT)))

    after = harness.row(mail_id)
    assert (after.state, after.leased_until) == (QUEUED, before.leased_until)


def claim(harness: MailHarness, mail_id: int) -> delivery.ClaimedMail:
    with harness.app.app_context():
        [claimed] = transaction(delivery._claim_due)
    assert claimed.mail.id == mail_id
    return claimed


@pytest.fixture
def release_smtp_sink(harness: MailHarness) -> Iterator[None]:
    """Release connections that still hang when the test ends."""
    yield
    harness.sink.mode = "ok"


@pytest.mark.usefixtures("release_smtp_sink")
def test_smtp_conversation_ends_before_lease_expiry(harness: MailHarness) -> None:
    harness.sink.mode = "hang"
    mail = harness.row(harness.enqueue())

    with harness.app.app_context(), pytest.raises(smtp.DeliveryError, match="data SMTPServerDisconnected"):
        smtp.Connections().send(render(mail, "BCDF-2345").raw, mail.recipient, timeout=0.3)
