import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr
from datetime import timedelta
from typing import Any

import pytest
from tests.journal import Journal
from tests.mail.conftest import MakeOffice
from tests.mail.office import GRACE, Office, lines, text_of

from flaskauth.foundation import clock
from flaskauth.mail import delivery
from flaskauth.mail.models import DEAD, DROPPED, QUEUED, SENT, WITHHELD, OutboxMail
from flaskauth.mail.smtp import ANSWER_TIMEOUT

A_LITTLE_LATER = timedelta(seconds=7)
LEASE = timedelta(seconds=60)


def due_in(row: OutboxMail) -> float:
    return (row.next_try_at - clock.now()).total_seconds()


def test_a_mail_that_the_server_takes_is_sent_once(office: Office) -> None:
    mail_id = office.put()

    office.deliver(mail_id)
    office.deliver(mail_id)
    office.sweep()

    row, [received] = office.row(mail_id), office.sink.messages
    assert (row.state, row.tries, row.last_error, row.leased_until) == (SENT, 1, None, None)
    assert row.sent_at
    assert received.sender == "no-reply@auth.example.com"
    assert received.recipients == (GRACE,)
    assert received.message["Message-ID"] == row.message_id
    assert office.code(mail_id) in lines(text_of(received))


def test_a_server_that_says_later_is_asked_again_after_growing_waits_while_there_is_use(
    office: Office,
) -> None:
    office.sink.mode = "tempfail"
    mail_id, end = office.put(), clock.now() + timedelta(minutes=10)

    waits = []
    while office.row(mail_id).state == QUEUED:
        office.sweep()
        waits.append(due_in(office.row(mail_id)))
        clock.travel(timedelta(seconds=max(0.0, waits[-1])))

    for wait, nominal in zip(waits, [5, 10, 20, 40, 80], strict=False):
        assert nominal - 1 < wait <= nominal * 1.25
    row = office.row(mail_id)
    assert (row.state, row.last_error) == (DEAD, "data 451")
    assert timedelta(0) < end - clock.now() < timedelta(seconds=15)
    assert office.sink.messages == []
    assert office.events("mail_rejected") == []


def test_long_lived_mails_wait_ten_minutes_at_most(office: Office) -> None:
    office.sink.mode = "tempfail"
    mail_id = office.put(life=timedelta(days=1), code_id=None)

    waits = []
    for _ in range(20):
        office.sweep()
        waits.append(due_in(office.row(mail_id)))
        clock.travel(timedelta(seconds=waits[-1]))

    assert 599 < min(waits[8:]) < max(waits[8:]) <= 750


def test_a_mail_waits_its_turn_and_then_arrives(office: Office) -> None:
    office.sink.mode = "tempfail"
    mail_id = office.put()
    office.deliver(mail_id)
    office.sink.mode = "ok"

    office.sweep()
    office.deliver(mail_id)
    assert office.sink.messages == []

    clock.travel(A_LITTLE_LATER)
    office.sweep()
    assert office.row(mail_id).state == SENT
    assert len(office.sink.messages) == 1


def test_a_server_that_is_away_is_asked_again(office: Office) -> None:
    office.sink.stop()
    mail_id = office.put()
    office.sweep()
    row = office.row(mail_id)
    assert (row.state, row.last_error) == (QUEUED, "connect ConnectionRefusedError")

    office.sink.start()
    clock.travel(A_LITTLE_LATER)
    office.sweep()
    assert office.row(mail_id).state == SENT


def test_each_stage_is_told_where_that_is_asked_for(make_office: MakeOffice) -> None:
    with redirect_stderr(Journal()) as journal:
        office = make_office(MAIL_DEBUG="true")
        office.put()
        office.sweep()

    assert [(line["stage"], line["reply"]) for line in journal.of("smtp")] == [
        ("mail", 250),
        ("rcpt", 250),
        ("data", 250),
    ]


def test_a_server_whose_name_is_unknown_is_asked_again(make_office: MakeOffice) -> None:
    office = make_office(MAIL_SERVER="mail.invalid")
    mail_id = office.put()

    office.sweep()

    assert (office.row(mail_id).state, office.row(mail_id).last_error) == (QUEUED, "connect gaierror")


def test_a_refusal_for_good_is_recorded_and_never_tried_again(office: Office) -> None:
    office.sink.mode = "reject"
    mail_id = office.put()
    office.sweep()

    office.sink.mode = "ok"
    clock.travel(timedelta(minutes=1))
    office.sweep()
    office.deliver(mail_id)

    row = office.row(mail_id)
    assert (row.state, row.tries, row.last_error) == (DEAD, 1, "rcpt 550")
    assert office.events("mail_rejected") == [{"mail_id": mail_id, "reply": 550}]
    assert office.sink.messages == []


def test_a_message_whose_arrival_nobody_ever_confirms_is_given_up_after_eight(office: Office) -> None:
    office.sink.mode = "drop"
    mail_id = office.put(life=timedelta(days=2), code_id=None)
    for _ in range(12):
        office.sweep()
        clock.travel(timedelta(minutes=15))

    row = office.row(mail_id)
    assert (row.state, row.tries, row.last_error) == (DEAD, 8, "data SMTPServerDisconnected")
    assert len(office.sink.messages) == 8


def test_a_server_that_looks_at_a_message_for_long_gets_it_once(office: Office) -> None:
    office.sink.mode = "keep"
    mail_id = office.put()
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(office.deliver, mail_id)
        time.sleep(ANSWER_TIMEOUT + 1)
        office.sink.mode = "ok"
        sending.result(10)

    assert (office.row(mail_id).state, office.row(mail_id).tries) == (SENT, 1)
    assert len(office.sink.messages) == 1


def test_a_message_whose_arrival_nobody_confirmed_comes_again_as_the_same(office: Office) -> None:
    office.sink.mode = "drop"
    mail_id = office.put()
    office.sweep()
    assert office.row(mail_id).state == QUEUED

    office.sink.mode = "ok"
    clock.travel(A_LITTLE_LATER)
    office.sweep()

    first, second = office.sink.messages
    assert office.row(mail_id).state == SENT
    assert first.message["Message-ID"] == second.message["Message-ID"] == office.row(mail_id).message_id
    assert first.message["Date"] == second.message["Date"]
    assert text_of(first) == text_of(second)
    assert office.code(mail_id) in lines(text_of(first))


def test_what_nobody_is_to_get_stays_where_it_is(office: Office) -> None:
    mails = [office.put(state=DROPPED), office.put(state=WITHHELD)]

    for mail_id in mails:
        office.deliver(mail_id)
    office.sweep()

    assert [office.row(mail_id).state for mail_id in mails] == [DROPPED, WITHHELD]
    assert office.sink.messages == []


def test_an_expired_mail_is_not_sent(office: Office) -> None:
    mail_id = office.put(code_id=None, life=timedelta(minutes=3))
    clock.travel(timedelta(minutes=3, seconds=1))

    office.sweep()

    row = office.row(mail_id)
    assert (row.state, row.last_error, office.sink.messages) == (DROPPED, "expired", [])


@pytest.mark.parametrize("after", ["its use", "its end", "its row is gone"])
def test_a_code_that_ended_is_not_sent(office: Office, after: str) -> None:
    given: dict[str, Any] = {"code_id": b"?" * 16} if after == "its row is gone" else {}
    mail_id = office.put(life=timedelta(days=1), **given)
    if after == "its use":
        office.use_code(mail_id)
    if after == "its end":
        clock.travel(timedelta(minutes=10, seconds=1))

    office.sweep()

    row = office.row(mail_id)
    assert (row.state, row.last_error, office.sink.messages) == (DROPPED, "its code ended", [])


@pytest.mark.parametrize("broken", [{"template": "registration/no_such"}, {"template": "?"}, {"context": {"a": "b"}}])
def test_a_mail_that_cannot_be_rendered_does_not_stop_the_others(office: Office, broken: dict[str, Any]) -> None:
    poison = office.put(**broken)
    good = office.put("ada@example.com")

    office.sweep()
    office.sweep()

    row = office.row(poison)
    assert (row.state, row.last_error, row.tries) == (DEAD, "cannot be rendered", 1)
    assert office.row(good).state == SENT
    assert [received.recipients for received in office.sink.messages] == [("ada@example.com",)]


@pytest.mark.parametrize("address", ["grace@example.com\r\nBcc: eve@example.com", "grace@example.com\nBcc: e@e.com"])
def test_an_address_with_a_line_break_gets_nothing(office: Office, address: str) -> None:
    mail_id = office.put(address)

    office.sweep()

    assert (office.row(mail_id).state, office.sink.messages) == (DEAD, [])


def test_an_address_is_one_address(office: Office) -> None:
    office.put("eve@example.com, grace@example.com")

    office.sweep()

    [received] = office.sink.messages
    assert received.recipients == ('"eve@example.com, grace"@example.com',)


def test_the_oldest_goes_first_but_for_those_that_are_sent_at_once(office: Office) -> None:
    for number in range(3 * delivery.AT_ONCE):
        office.put(f"p{number}@example.com", code_id=None)
        clock.travel(timedelta(seconds=1))

    office.sweep()

    arrived = [int(received.recipients[0][1:].partition("@")[0]) for received in office.sink.messages]
    assert sorted(arrived) == [*range(3 * delivery.AT_ONCE)]
    assert all(number < place + delivery.AT_ONCE for place, number in enumerate(arrived))


def test_a_server_that_is_slow_gets_some_at_once(office: Office) -> None:
    for number in range(delivery.AT_ONCE):
        office.put(f"p{number}@example.com", code_id=None)
    office.sink.mode = "keep"

    with ThreadPoolExecutor(1) as beside:
        sweeping = beside.submit(office.sweep)
        office.sink.wait_for(lambda _: len(office.sink.messages) == delivery.AT_ONCE)
        office.sink.mode = "ok"
        sweeping.result(30)

    assert {row.state for row in office.rows()} == {SENT}


def test_more_than_a_batch_is_sent_in_one_sweep(office: Office) -> None:
    for _ in range(delivery.BATCH + 5):
        office.put(code_id=None)

    office.sweep()

    assert {row.state for row in office.rows()} == {SENT}
    assert len(office.sink.messages) == delivery.BATCH + 5


def test_in_development_sending_is_marking_sent(home: Office) -> None:
    mail_id = home.put()

    home.sweep()

    assert home.row(mail_id).state == SENT
    assert home.sink.messages == []
