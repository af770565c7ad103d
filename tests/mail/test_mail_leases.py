import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from tests.mail.office import Office

from flaskauth.foundation import clock
from flaskauth.foundation.db import transaction
from flaskauth.mail import delivery, smtp
from flaskauth.mail.models import QUEUED, SENT
from flaskauth.mail.rendering import render

LEASE = timedelta(seconds=60)


def wait_until_claimed(office: Office, mail_id: int) -> None:
    for _ in range(500):
        if office.row(mail_id).leased_until:
            return
        threading.Event().wait(0.01)
    pytest.fail("nobody claimed it")


def test_while_one_process_sends_a_mail_no_other_does(office: Office) -> None:
    office.sink.mode = "hang"
    mail_id = office.put()

    with ThreadPoolExecutor() as pool:
        sending = pool.submit(office.deliver, mail_id)
        wait_until_claimed(office, mail_id)
        office.deliver(mail_id)
        office.sweep()
        assert not sending.done()
        office.sink.mode = "ok"
        sending.result(10)

    assert office.row(mail_id).tries == 1
    assert len(office.sink.messages) == 1


def test_two_processes_that_sweep_at_once_send_each_mail_once(office: Office) -> None:
    for number in range(40):
        office.put(f"p{number}@example.com")
    together = threading.Barrier(3)

    def sweep() -> None:
        together.wait()
        office.sweep()

    with ThreadPoolExecutor() as pool:
        for sweeping in [pool.submit(sweep) for _ in range(3)]:
            sweeping.result(30)

    assert sorted(received.recipients[0] for received in office.sink.messages) == sorted(
        f"p{number}@example.com" for number in range(40)
    )
    assert {row.tries for row in office.rows()} == {1}


def test_the_mail_of_a_process_that_died_is_sent_when_its_lease_is_over(office: Office) -> None:
    mail_id = office.put()
    claim(office, mail_id)

    clock.travel(LEASE - timedelta(seconds=2))
    office.sweep()
    assert office.sink.messages == []

    clock.travel(timedelta(seconds=3))
    office.sweep()
    assert (office.row(mail_id).state, office.row(mail_id).tries) == (SENT, 2)
    assert len(office.sink.messages) == 1


def test_a_process_that_lost_its_lease_sends_nothing_and_decides_nothing(office: Office) -> None:
    mail_id = office.put()
    slow = claim(office, mail_id)
    clock.travel(LEASE)
    office.deliver(mail_id)

    with office.app.app_context():
        outcome = delivery._try(slow)
        transaction(lambda: delivery._conclude(slow.mail, outcome))

    row = office.row(mail_id)
    assert (outcome.state, row.state, row.last_error) == (QUEUED, SENT, None)
    assert len(office.sink.messages) == 1


def test_a_process_that_lost_its_lease_leaves_that_of_the_next_alone(office: Office) -> None:
    mail_id = office.put()
    slow = claim(office, mail_id)
    clock.travel(LEASE)
    claim(office, mail_id)
    before = office.row(mail_id)

    with office.app.app_context():
        transaction(lambda: delivery._conclude(slow.mail, delivery.Outcome(SENT)))

    after = office.row(mail_id)
    assert (after.state, after.leased_until) == (QUEUED, before.leased_until)


def claim(office: Office, mail_id: int) -> delivery.Claimed:
    with office.app.app_context():
        claimed = transaction(lambda: delivery._claim(mail_id))
    assert claimed
    return claimed


@pytest.fixture
def patience(office: Office) -> Iterator[None]:
    """Lets go of whoever still hangs when a test ends."""
    yield
    office.sink.mode = "ok"


@pytest.mark.usefixtures("patience")
def test_a_conversation_ends_before_its_lease(office: Office) -> None:
    office.sink.mode = "hang"
    mail = office.row(office.put())

    with office.app.app_context(), pytest.raises(smtp.Undelivered, match="data SMTPServerDisconnected"):
        smtp.send(render(mail, "BCDF-2345"), mail.recipient, seconds=0.3)
