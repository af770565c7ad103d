"""How many mails strangers can have sent to one address."""

from datetime import timedelta
from functools import partial

from flask import Flask
from sqlalchemy import select
from tests.inside import refused, rows, together, within
from tests.people import ELSEWHERE, HERE, THERE, Mailbox, People
from tests.registration.asking import GRACE_AT, WRONG, attempt, code_behind, elsewhere, register, resend, verify
from tests.tables import mails_sent

from flaskauth.foundation import clock
from flaskauth.mail import budget
from flaskauth.mail.models import WITHHELD, OutboxMail

WORDS = ("seven", "eleven", "thirteen", "seventeen", "nineteen", "twenty")


def attempts(people: People, number: int, at: str = HERE) -> list[str]:
    """Ask to join again and again, with another password each time; the ids."""
    answers = [register(people.client, at=at, password=f"{word} green kettles {at}") for word in WORDS[:number]]
    return [answer.get_json()["verification_id"] for answer in answers]


def test_three_an_hour_go_to_one_address_from_one_network(app: Flask, people: People) -> None:
    attempts(people, 4, HERE)
    assert mails_sent(app) == 3
    assert len(rows(app, select(OutboxMail).where(OutboxMail.state == WITHHELD))) == 1

    attempts(people, 1, THERE)
    assert mails_sent(app) == 4
    clock.travel(timedelta(hours=1))
    attempts(people, 4, HERE)
    assert mails_sent(app) == 7


def test_no_burst_gets_past_the_budget(app: Flask) -> None:
    asks = [partial(register, app.test_client(), password=f"{word} green kettles") for word in WORDS]
    statuses = {answer.status_code for answer in together(asks)}

    assert 200 in statuses <= {200, 503}
    assert mails_sent(app) <= 3


def test_resending_spends_of_the_same_budget(app: Flask, people: People) -> None:
    asked = attempt(people)
    for wait in (60, 120, 240):
        clock.travel(timedelta(seconds=wait))
        resend(people.client, HERE, verification_id=asked.id)

    assert mails_sent(app) == 3
    assert resend(people.client, HERE, verification_id=asked.id) == 480


def test_twenty_a_day_go_to_one_address_in_all(app: Flask, people: People) -> None:
    within(app, lambda: spend_of_the_day(18))
    for _ in range(3):
        attempts(people, 1, elsewhere())
    assert mails_sent(app) == 2

    clock.travel(timedelta(days=1))
    attempts(people, 1, elsewhere())
    assert mails_sent(app) == 3


def spend_of_the_day(mails: int) -> None:
    """What mails of so many networks leave behind."""
    for number in range(mails):
        assert budget.take(GRACE_AT, f"network {number}", is_known=False)


def test_known_networks_have_five_a_day_besides(app: Flask, people: People) -> None:
    grace = people.joined(at=HERE)
    for at in (HERE, THERE, ELSEWHERE):
        assert grace.sign_in(at=at).status_code == 200
    within(app, lambda: spend_of_the_day(19))
    before = mails_sent(app)

    attempts(people, 1, elsewhere())
    assert mails_sent(app) == before
    for at, number in ((HERE, 2), (THERE, 3), (ELSEWHERE, 1)):
        attempts(people, number, at)
    assert mails_sent(app) == before + 5


def test_an_attempt_whose_mail_was_withheld_opens_no_door_and_stands_in_nobodys_way(app: Flask, people: People) -> None:
    asked = attempt(people, at=HERE)
    withheld = withheld_attempt(app, people)
    code = code_behind(app, withheld)

    for door in ({"verification_id": withheld}, {"email": GRACE_AT}, {}):
        assert refused(verify(people.client, code, **door)) == WRONG
    assert verify(people.client, asked.code).status_code == 200


def test_it_is_an_attempt_like_others_once_its_mail_was_sent(app: Flask, people: People, mailbox: Mailbox) -> None:
    withheld = withheld_attempt(app, people)
    never_mailed = code_behind(app, withheld)
    clock.travel(timedelta(seconds=60))
    resend(people.client, HERE, verification_id=withheld)
    code = mailbox.code(GRACE_AT)

    assert code != never_mailed
    assert refused(verify(people.client, never_mailed, verification_id=withheld)) == WRONG
    assert verify(people.client, code, verification_id=withheld).status_code == 200


def withheld_attempt(app: Flask, people: People) -> str:
    """An attempt from a network that has had three mails sent to the address."""
    within(app, lambda: [budget.take(GRACE_AT, THERE, is_known=False) for _ in range(3)])
    [verification_id] = attempts(people, 1, THERE)
    assert rows(app, select(OutboxMail.state).order_by(OutboxMail.id))[-1] == WITHHELD
    return verification_id
