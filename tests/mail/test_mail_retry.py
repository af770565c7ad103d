"""Operators have mails tried again."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.mail.office import TEN_MINUTES, Office

from flaskauth.foundation import clock
from flaskauth.foundation.db import db, transaction
from flaskauth.mail import service
from flaskauth.mail.models import DEAD, DROPPED, QUEUED, SENT, WITHHELD, OutboxMail


def retried(office: Office, mail_ids: Sequence[int] = ()) -> set[int]:
    with office.app.app_context():
        return transaction(lambda: service.retry(mail_ids))


def refused(office: Office, life: timedelta = TEN_MINUTES) -> int:
    """A mail that the mail server has refused for good; it takes the next one."""
    office.sink.mode = "reject"
    mail_id = office.put(life=life)
    office.sweep()
    office.sink.mode = "ok"
    return mail_id


@pytest.mark.parametrize("is_named", [True, False])
def test_a_dead_mail_goes_out_as_the_mail_it_was(office: Office, is_named: bool) -> None:
    mail_id = refused(office)
    before = office.row(mail_id)

    assert retried(office, [mail_id] if is_named else ()) == {mail_id}
    office.sweep()

    row, [received] = office.row(mail_id), office.sink.messages
    assert (row.state, row.tries, row.last_error) == (SENT, 2, None)
    assert received.message["Message-ID"] == before.message_id


def test_a_mail_that_waits_goes_at_once_when_it_is_named(office: Office) -> None:
    office.sink.mode = "tempfail"
    mail_id = office.put()
    office.sweep()
    office.sink.mode = "ok"

    assert retried(office) == set()
    assert retried(office, [mail_id]) == {mail_id}
    office.sweep()
    assert office.row(mail_id).state == SENT


def test_a_mail_that_is_being_sent_stays_with_its_sender(office: Office) -> None:
    mail_id, lease = office.put(), clock.now() + timedelta(seconds=60)
    _set(office, mail_id, leased_until=lease)

    retried(office, [mail_id])
    office.sweep()
    assert (office.row(mail_id).state, office.row(mail_id).leased_until) == (QUEUED, lease)
    assert office.sink.messages == []


@pytest.mark.parametrize("state", [SENT, DROPPED, WITHHELD])
def test_what_is_over_stays_over(office: Office, state: str) -> None:
    mail_id = office.put()
    _set(office, mail_id, state=state)

    assert retried(office, [mail_id]) == retried(office) == set()
    assert office.row(mail_id).state == state


def test_a_mail_that_is_of_no_use_any_more_stays_dead(office: Office) -> None:
    mail_id = refused(office, life=timedelta(minutes=1))
    clock.travel(timedelta(minutes=2))

    assert retried(office, [mail_id]) == retried(office) == set()
    assert office.row(mail_id).state == DEAD


def test_a_mail_whose_code_was_used_is_dropped(office: Office) -> None:
    mail_id = refused(office)
    office.use_code(mail_id)

    retried(office)
    office.sweep()
    assert office.row(mail_id).state == DROPPED


def _set(office: Office, mail_id: int, **values: object) -> None:
    def work() -> None:
        mail = db.session.get_one(OutboxMail, mail_id)
        for name, setting in values.items():
            setattr(mail, name, setting)

    with office.app.app_context():
        transaction(work)
