"""A week after it was closed nothing of a person is left anywhere, however often and by however many it is begun."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, insert, select, text, update
from tests.avatars.files import picture
from tests.avatars.wearing import Wearer, kept
from tests.closing.leaving import MOMENT, WEEK, close, closed, erase, erase_after, orphans
from tests.conftest import MakeApp
from tests.inside import change, events, recorded, rows, together, within
from tests.journal import Journal
from tests.passwords.asking import forgot
from tests.people import HERE, PASSWORD, THERE, Mailbox, People, Person, bearer, form
from tests.registration.asking import GRACE_AT
from tests.sessions.holding import Holder
from tests.tables import contents, settle

from flaskauth.accounts.models import AddressChange, User
from flaskauth.app import purge
from flaskauth.audit.models import AuditEvent
from flaskauth.closing import erasure
from flaskauth.codes import links
from flaskauth.codes import service as codes
from flaskauth.codes.service import Asked
from flaskauth.foundation import clock, jobs
from flaskauth.foundation.columns import Base
from flaskauth.foundation.db import db
from flaskauth.mail import outbox
from flaskauth.mail.models import OutboxMail
from flaskauth.mail.outbox import Message

AT = "Zebulon@example.com"
BEFORE, AFTER = "former@example.com", "coming@example.com"
BROWSER, IP = "Peculiar-Browser/7", "203.0.113.77"
TRACES = ("zebulon", "quuxley", "former@", "coming@", BROWSER.lower(), IP, "mine-7", "hush")
ZEBULON = {"email": AT, "password": PASSWORD, "first_name": "Zebulonia", "last_name": "Quuxley"}
HEADERS = {"X-Forwarded-For": IP, "User-Agent": BROWSER, "X-Request-ID": "mine-7"}


def everything(app: Flask) -> str:
    """Every row of every table, as text without case."""
    settle(app)
    with app.app_context():
        tables = {
            table.name: [[_text(value) for value in row] for row in db.session.execute(select(table))]
            for table in Base.metadata.sorted_tables
        }
    return json.dumps(tables, ensure_ascii=False).lower()


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def lived(app: Flask, people: People) -> int:
    """Somebody left a trace wherever one can be left, and closed the account; the person's number."""
    client = app.test_client()
    people.joined(**ZEBULON)
    body = {"email": AT, "password": PASSWORD}
    welcome = client.post("/auth/login", json=body, headers=HEADERS).get_json()
    signed_in, user_id = {**HEADERS, **bearer(welcome["token"])}, int(welcome["user"]["id"])
    client.post("/auth/login", json={**body, "password": "wrong"}, headers=HEADERS)
    client.post("/users/edit", json={"country": "NG"}, headers=signed_in)
    within(app, lambda: change_address(user_id))
    client.get("/users/export", headers=signed_in)
    client.delete("/users/account", headers=signed_in)
    forgot(client, AT)
    client.post("/auth/login", json=body, headers=HEADERS)
    client.post("/auth/register", json={**form(AT.upper()), "first_name": "Quuxley"}, headers=HEADERS)
    settle(app)
    return user_id


def change_address(user_id: int) -> None:
    """One change of address that was done, with its link, and one that is under way, with its code; and their mails."""
    link = links.issue(links.UNDO, user_id, email=BEFORE, address=BEFORE)
    code = codes.issue(Asked("email", AFTER, IP, ends_at=clock.now() + WEEK))
    about = {"email": AFTER, "address": AFTER, "link_id": link.id, "created_at": clock.now()}
    db.session.add(AddressChange(id=code.id, user_id=user_id, **about))
    db.session.flush()
    until = clock.now() + WEEK
    outbox.put(Message("passwords/password_changed", BEFORE, outbox.asked(IP), until, link_id=link.id))
    outbox.put(Message("passwords/reset_code", AFTER, {"minutes": "hush", **outbox.asked(IP)}, until, code_id=code.id))


def test_nothing_of_the_person_is_left_but_the_last_mail_and_that_goes_too(app: Flask, people: People) -> None:
    lived(app, people)
    before = everything(app)
    assert [trace for trace in TRACES if trace not in before] == []
    app.extensions[jobs.KEY].stop()

    assert erase_after(app) == 1
    [mail] = rows(app, select(OutboxMail))
    assert (mail.template, mail.recipient, mail.context) == ("closing/account_erased", AT, {})
    change(app, update(OutboxMail).values(recipient="", state="sent"))
    assert [trace for trace in TRACES if trace in everything(app)] == []
    assert orphans(app) == {}


def test_mails_go_however_the_address_was_spelled(app: Flask, people: People) -> None:
    """Two spellings are one address by rules that no database knows."""
    token = people.joined("strasse@example.com").signed_in()["token"]
    close(people.client, token)
    attempt = people.pending("straße@example.com", at=THERE)
    clock.travel(timedelta(minutes=2))
    people.client.post("/auth/resend", json={"verification_id": attempt})
    assert "straße@" in everything(app)
    change(app, update(User).values(closes_at=clock.now()))

    assert erase(app) == 1
    assert "straße@" not in everything(app)


def test_the_picture_goes_and_nobody_elses(app: Flask) -> None:
    leaves, stays = Wearer.joined(app), Wearer.joined(app, "ada@example.com")
    name, other = leaves.wears(picture()), stays.wears(picture())
    assert kept(app) == {name, other}
    assert close(leaves.client, leaves.token).status_code == 200
    assert erase_after(app) == 1

    assert leaves.look(name).status_code == 404
    assert kept(app) == {other}


def test_the_last_mail_goes_after_a_week(app: Flask, people: People, mailbox: Mailbox) -> None:
    lived(app, people)
    erase_after(app)
    [mail] = mailbox.wait(to=AT)
    assert mail["subject"] == "Your account on flaskauth was erased"
    assert "Zebulonia" not in mail["text"]

    clock.travel(WEEK + MOMENT)
    with app.app_context():
        purge()
    assert [trace for trace in TRACES if trace in everything(app)] == []


def test_of_the_trail_the_names_and_times_are_left(app: Flask, people: People) -> None:
    user_id = lived(app, people)
    told = select(AuditEvent.id, AuditEvent.name, AuditEvent.at).where(AuditEvent.user_id == user_id)
    before = trail(app, told)
    erase_after(app)
    kept = rows(app, select(AuditEvent).filter_by(user_id=user_id).where(AuditEvent.name != "account_erased"))

    assert trail(app, told.where(AuditEvent.name != "account_erased")) == before
    assert len(before) > 6
    assert {(event.ip, event.device, event.request_id, str(event.details)) for event in kept} == {
        (None, None, None, "{}")
    }
    assert recorded(app, "account_erased").user_id == user_id
    assert rows(app, select(User)) == []


def trail(app: Flask, told: Any) -> list[Any]:
    with app.app_context():
        return sorted(map(tuple, db.session.execute(told)))


def test_nobody_else_loses_anything(app: Flask, people: People) -> None:
    ada = people.joined("ada@example.com")
    ada.signed_in()
    forgot(people.client, ada.email)
    settle(app)
    before = contents(app)
    lived(app, people)
    erase_after(app)
    after = contents(app)

    for table, held in before.items():
        assert [row for row in held if row not in after[table] and table != "budgets"] == [], table


def test_not_before_the_week_is_over(app: Flask, people: People) -> None:
    closed(people)
    people.joined("ada@example.com")

    assert erase_after(app, WEEK - MOMENT) == 0
    assert erase_after(app, MOMENT * 2) == 1
    assert erase(app) == 0
    assert rows(app, select(User.email)) == ["ada@example.com"]


def test_it_is_done_by_the_schedule(app: Flask, people: People) -> None:
    closed(people)
    clock.travel(WEEK + MOMENT)
    with app.app_context():
        purge()

    assert recorded(app, "account_erased").ip is None


def test_two_processes_erase_each_person_once(app: Flask, make_app: MakeApp) -> None:
    other = make_app()
    without_threads(app, other)
    people_who_leave(app, 25)
    gone = together([partial(erase, app), partial(erase, other), partial(erase, app)])

    assert sum(gone) == 25
    assert len(events(app, "account_erased")) == 25
    assert len({event.user_id for event in events(app, "account_erased")}) == 25
    assert rows(app, select(func.count()).select_from(OutboxMail)) == [25]
    assert rows(app, select(User)) == []


def without_threads(*apps: Flask) -> None:
    """What is counted is erased by the test alone."""
    for app in apps:
        app.extensions[jobs.KEY].stop()


def people_who_leave(app: Flask, count: int) -> None:
    """So many people whose time is over."""
    now = clock.now()
    about = {"password": None, "first_name": "A", "last_name": "B", "locale": "en", "is_verified": True}
    leaving = [
        {"id": number, "email": f"{number}@example.com", "address": f"{number}@example.com", "created_at": now, **about}
        for number in range(1, count + 1)
    ]
    change(app, insert(User).values([{**person, "closes_at": now - MOMENT} for person in leaving]))


STEPS = ("DELETE FROM registrations", "DELETE FROM links", "UPDATE audit_events", "INSERT INTO outbox")


@pytest.mark.parametrize("step", STEPS)
def test_what_ends_it_half_way_leaves_all_of_the_person_for_the_next_time(
    app: Flask, people: People, step: str
) -> None:
    lived(app, people)
    app.extensions[jobs.KEY].stop()
    clock.travel(WEEK + MOMENT)
    before = everything(app)
    with broken_off_at(app, step), pytest.raises(PowerCut):
        erase(app)

    assert everything(app) == before
    assert erase(app) == 1


class PowerCut(BaseException):
    """The process ends here."""


@contextmanager
def broken_off_at(app: Flask, step: str) -> Iterator[None]:
    def cut(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith(step):
            raise PowerCut

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", cut)
    yield
    event.remove(engine, "before_cursor_execute", cut)


ORDERS = (
    "CREATE TABLE orders (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL, FOREIGN KEY (user_id) REFERENCES users (id))"
)


@pytest.fixture
def orders(app: Flask) -> Iterator[None]:
    """A table of somebody else, whose rows do not go along with people."""
    change(app, text(ORDERS))
    yield
    change(app, text("DROP TABLE orders"))


@pytest.mark.usefixtures("orders")
def test_whom_somebody_elses_table_holds_fast_keeps_nobody_else_and_goes_later(app: Flask, make_app: MakeApp) -> None:
    people_who_leave(app, erasure.FEW + 2)
    held = range(1, erasure.FEW + 1)
    for number in held:
        change(app, text(f"INSERT INTO orders VALUES ({number}, {number})"))
    with redirect_stderr(Journal()) as journal:
        other = make_app()
        without_threads(app, other)
        erase(other)
        erase(other)

    assert sorted(rows(app, select(User.id))) == [*held]
    assert [line["user_id"] for line in journal.of("cannot_be_erased")] == [*held]
    change(app, text("DELETE FROM orders"))
    assert erase_after(app, timedelta(hours=1)) == erasure.FEW


def test_no_sign_in_or_refresh_of_that_moment_outlives_it(app: Flask, people: People) -> None:
    for number in range(4):
        email = f"grace{number}@example.com"
        closed(people, email)
        holder = Holder(people.client, Person(people.client, email).signed_in())
        change(app, update(User).where(User.address == email).values(closes_at=clock.now() - MOMENT))
        works: list[Callable[[], Any]] = [
            *[partial(Person(app.test_client(), email).sign_in, at=HERE) for _ in range(3)],
            partial(forgot, app.test_client(), email, THERE),
            *[partial(holder.presents, holder.refresh_token) for _ in range(2)],
            partial(erase, app),
        ]
        *answers, gone = together(works)

        assert gone == 1
        assert {answer.status_code for answer in answers} <= {200, 401}
        tokens = [answer.get_json()["token"] for answer in answers if "token" in answer.get_json()]
        assert {people.client.get("/users/profile", headers=bearer(token)).status_code for token in tokens} <= {401}
        assert holder.is_over()
        assert orphans(app) == {}


def test_a_few_go_in_each_transaction(app: Flask) -> None:
    without_threads(app)
    people_who_leave(app, erasure.FEW + 3)

    assert within(app, erasure.purge) == erasure.FEW
    assert within(app, erasure.purge) == 3
    assert within(app, erasure.purge) == 0


def test_an_address_that_was_kept_for_the_person_is_free_too(app: Flask, people: People, mailbox: Mailbox) -> None:
    token = people.joined(GRACE_AT).signed_in()["token"]
    [user_id] = rows(app, select(User.id))
    within(app, lambda: links.issue(links.UNDO, user_id, email=BEFORE, address=BEFORE))
    close(people.client, token)
    change(app, update(User).values(closes_at=clock.now() - timedelta(seconds=1)))
    erase(app)

    assert people.joined(BEFORE).sign_in().status_code == 200
