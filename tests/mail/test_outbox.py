import contextlib
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import inspect
from tests.mail.conftest import MakeOffice
from tests.mail.office import GRACE, Held, Office
from tests.servers import Redis, free_port

from flaskauth.foundation import clock, jobs
from flaskauth.foundation.db import transaction
from flaskauth.foundation.queue import queue
from flaskauth.mail import bell, outbox, service
from flaskauth.mail.models import DEAD, DROPPED, QUEUED, SENT, WITHHELD, OutboxMail
from flaskauth.mail.outbox import Message

STATES = (QUEUED, DROPPED, WITHHELD)


def rung(office: Office) -> list[int]:
    held = office.app.extensions[jobs.KEY]
    assert isinstance(held, Held)
    return held.rung()


@pytest.mark.parametrize("state", STATES)
def test_the_bell_rings_for_every_mail_once_it_is_safe(office: Office, state: str) -> None:
    mail_id = office.put(state=state)

    assert rung(office) == [mail_id]


def test_a_transaction_that_fails_leaves_no_mail_and_rings_no_bell(office: Office) -> None:
    def work() -> None:
        outbox.put(Message("registration/already_registered", GRACE, {}, clock.now()))
        raise ZeroDivisionError

    with office.app.app_context(), pytest.raises(ZeroDivisionError):
        transaction(work)

    assert office.rows() == []
    assert rung(office) == []


def test_every_message_has_an_id_of_its_own_that_names_this_server(office: Office) -> None:
    ids = [office.row(office.put()).message_id for _ in range(5)]

    assert len(set(ids)) == 5
    assert all(re.fullmatch(r"<[0-9a-f]{32}@auth\.example\.com>", message_id) for message_id in ids)


def test_no_row_ever_holds_the_code(office: Office) -> None:
    mail_id = office.put()
    before = columns(office.row(mail_id))
    office.sweep()
    code = office.code(mail_id)

    for told in (before, columns(office.row(mail_id))):
        assert code not in told
        assert code.replace("-", "") not in told


def columns(row: OutboxMail) -> str:
    return repr([getattr(row, column.key) for column in inspect(OutboxMail).column_attrs])


def test_the_thread_delivers_what_the_bell_rang_for(office: Office) -> None:
    office.app.extensions[jobs.KEY] = thread = jobs.Background(office.app)

    mail_id = office.put()

    office.sink.wait_for(lambda received: received.recipients == (GRACE,))
    thread.stop()
    assert office.row(mail_id).state == SENT


def test_with_a_broker_the_bell_carries_the_id_alone(make_office: MakeOffice, redis: Redis) -> None:
    office = make_office(REDIS_URL=redis.url)

    with office.app.app_context():
        bell._answer(4711)
        [task] = taken(queue(office.app))

    assert task.headers["task"] == bell.TASK == "flaskauth.mail.deliver"
    assert task.payload[:2] == [[4711], {}]


def taken(celery: Celery) -> Iterator[Any]:
    with celery.connection_for_read() as connection:
        waiting = connection.SimpleQueue(celery.conf.task_default_queue)
        with contextlib.suppress(waiting.Empty):
            while True:
                message = waiting.get(timeout=1)
                message.ack()
                yield message


def test_a_broker_that_is_away_holds_nothing_up_and_the_sweep_sends(
    make_office: MakeOffice, capsys: pytest.CaptureFixture[str]
) -> None:
    office = make_office(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    mail_id = office.put()

    start = time.monotonic()
    with office.app.app_context():
        for _ in range(20):
            bell._answer(mail_id)
    office.sweep()

    assert time.monotonic() - start < 4
    assert capsys.readouterr().err.count("broker_away") == 1
    assert office.row(mail_id).state == SENT


def test_operators_see_the_newest_mails_without_codes_or_addresses(office: Office) -> None:
    first, second = office.put("ada@example.com"), office.put()
    office.sink.mode = "reject"
    office.deliver(second)

    with office.app.app_context():
        listed, dead, one = service.recent(10), service.recent(10, DEAD), service.recent(1)

    assert [mail.id for mail in listed] == [second, first]
    assert [mail.recipient for mail in listed] == ["g***@example.com", "a***@example.com"]
    assert dead == one == listed[:1]
    assert (dead[0].last_error, dead[0].tries) == ("rcpt 550", 1)
    assert office.code(first) not in repr(listed)


@pytest.mark.parametrize(
    ("state", "days"), [(SENT, 7), (DROPPED, 7), (WITHHELD, 7), (DEAD, 30), (QUEUED, None)], ids=str
)
def test_mails_are_kept_as_long_as_is_said(office: Office, state: str, days: int | None) -> None:
    office.put(state=state, code_id=None)

    clock.travel(timedelta(days=days or 365) - timedelta(minutes=1))
    assert purged(office) == 0
    clock.travel(timedelta(minutes=2))
    assert purged(office) == (0 if days is None else 1)
    assert len(office.rows()) == (1 if days is None else 0)


def purged(office: Office) -> int:
    with office.app.app_context():
        return transaction(service.purge)
