"""The outbox in one exact order: nobody sends what is not safe yet, and nobody sends what another has."""

from functools import partial

import pytest
from tests.conftest import servers
from tests.mail.office import Office
from tests.mail.test_mail_leases import LEASE, claim
from tests.mail.test_outbox import rung
from tests.races.orders import COMMIT, interleaved

from flaskauth.foundation import clock
from flaskauth.mail.models import SENT

pytestmark = pytest.mark.parametrize("database", servers(), indirect=True)

PUT = (COMMIT, "INSERT INTO outbox")
DUE = "UPDATE outbox"  # read as due, and about to be claimed
LEFT = ("UPDATE outbox", "SELECT one_time_codes")  # talked about with the mail server, and about to be written down


def seen(office: Office) -> tuple[list[int], int]:
    """For which mails the bell was rung, and how many a sweep finds."""
    office.sweep()
    return rung(office), len(office.sink.messages)


def test_before_its_transaction_is_safe_no_bell_rings_and_no_sweep_finds_a_mail(office: Office) -> None:
    mail_id, meanwhile = interleaved(office.app, PUT, office.put, partial(seen, office))

    assert meanwhile == ([], 0)
    assert seen(office) == ([mail_id], 1)


def test_a_mail_that_two_saw_due_is_sent_by_one(office: Office) -> None:
    mail_id = office.put()
    interleaved(office.app, DUE, partial(office.deliver, mail_id), partial(office.deliver, mail_id))

    assert (office.row(mail_id).state, office.row(mail_id).tries) == (SENT, 1)
    assert len(office.sink.messages) == 1


def test_a_mail_whose_lease_just_ended_is_sent_by_one_of_those_who_see_it(office: Office) -> None:
    mail_id = office.put()
    claim(office, mail_id)
    clock.travel(LEASE)
    interleaved(office.app, DUE, partial(office.deliver, mail_id), office.sweep)

    assert (office.row(mail_id).state, office.row(mail_id).tries) == (SENT, 2)
    assert len(office.sink.messages) == 1


def test_while_what_came_of_a_mail_is_not_written_down_nobody_else_sends_it(office: Office) -> None:
    mail_id = office.put()

    def others() -> int:
        office.deliver(mail_id)
        office.sweep()
        return len(office.sink.messages)

    _, sent = interleaved(office.app, LEFT, partial(office.deliver, mail_id), others)
    assert sent == 1
    assert (office.row(mail_id).state, office.row(mail_id).tries) == (SENT, 1)


def test_whoever_is_overtaken_past_the_lease_sent_the_same_mail_and_decides_nothing(office: Office) -> None:
    """The price of losing none: a mail may come twice, and mail programs show it once."""
    mail_id = office.put()

    def next_one() -> None:
        clock.travel(LEASE)
        office.deliver(mail_id)

    interleaved(office.app, LEFT, partial(office.deliver, mail_id), next_one)
    assert (office.row(mail_id).state, office.row(mail_id).tries) == (SENT, 2)
    assert {received.message["Message-ID"] for received in office.sink.messages} == {office.row(mail_id).message_id}
