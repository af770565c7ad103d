"""People take away everything that is held about them, and nothing that opens a door."""

import base64
import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select
from sqlalchemy.pool import QueuePool
from tests.closing.leaving import close
from tests.inside import change, events, recorded, refused, rows, statements, together, within
from tests.passwords.asking import asked_for
from tests.people import HERE, PASSWORD, THERE, People, Person, bearer, code_of, network
from tests.registration.asking import GRACE_AT
from tests.sessions.holding import Holder
from tests.tables import settle
from werkzeug.test import TestResponse

from flaskauth.accounts.models import AddressChange, User
from flaskauth.audit.models import AuditEvent
from flaskauth.codes import links
from flaskauth.codes import service as codes
from flaskauth.codes.models import Link, OneTimeCode
from flaskauth.codes.service import Asked
from flaskauth.foundation import clock, jobs
from flaskauth.foundation.columns import Base
from flaskauth.foundation.db import db
from flaskauth.mail import outbox
from flaskauth.mail.models import OutboxMail
from flaskauth.mail.outbox import Message
from flaskauth.profile import account
from flaskauth.profile.export import PAGE
from flaskauth.sessions.models import Device, Session

PARTS = ("sessions", "devices", "events", "mails", "address_changes", "codes", "links")
# What is not told of a row, and why.
WHOSE = {"user_id", "address"}
SECRET = {"password", "nonce", "digest", "token_digest", "lookup"}
PROOF = {"salt", "personal", "mark", "seal"}  # that the row is as it was written
DOORS = {"id", "link_id", "code_id"}  # who holds a code's id may try it
CONTENTS = {"context", "message_id", "next_try_at", "leased_until", "next_mail_at", "is_decoy", "is_withheld"}
TOLD: list[tuple[type[Base], Any, set[str]]] = [
    (User, account.PersonSchema, {"password"}),
    (Session, account.HeldSessionSchema, WHOSE | SECRET),
    (Device, account.DeviceSchema, WHOSE | SECRET),
    (AuditEvent, account.HeldEventSchema, WHOSE | PROOF),
    (OutboxMail, account.HeldMailSchema, DOORS | CONTENTS),
    (AddressChange, account.AddressChangeSchema, WHOSE | DOORS),
    (OneTimeCode, account.CodeSchema, WHOSE | SECRET | DOORS | CONTENTS),
    (Link, account.LinkSchema, WHOSE | SECRET | DOORS),
]


def export(people: People, token: str, at: str = HERE) -> TestResponse:
    return people.client.get("/users/export", headers={**bearer(token), **network(at)})


def taken(people: People, token: str) -> dict[str, Any]:
    answer = export(people, token)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def under_way(user_id: int, address: str, link_of: str) -> None:
    """A change of address that waits for its code, and a link to take it back, mailed to another address."""
    link = links.issue(links.UNDO, user_id, email=link_of, address=link_of)
    code = codes.issue(Asked("email", address, HERE, ends_at=clock.now() + codes.LIFE))
    about = {"email": address, "address": address, "link_id": link.id, "created_at": clock.now()}
    db.session.add(AddressChange(id=code.id, user_id=user_id, **about))
    db.session.flush()
    until = clock.now() + timedelta(days=1)
    outbox.put(Message("passwords/password_changed", link_of, outbox.asked(HERE), until, link_id=link.id))


def test_all_that_is_held_is_in_it(app: Flask, people: People) -> None:
    holder = Holder.of(app)
    Holder(people.client, Person(people.client, GRACE_AT).signed_in(at=THERE))
    asked_for(people)
    within(app, lambda: under_way(holder.tokens["user"]["id"], "new@example.com", "old@example.com"))
    settle(app)
    people.client.post("/users/edit", json={"country": "NG"}, headers=bearer(holder.token))
    found = taken(people, holder.token)
    [user] = rows(app, select(User))

    assert found["profile"]["country"] == {"id": 566, "name": "Nigeria", "code": "NG"}
    assert (found["profile"]["email"], found["profile"]["id"]) == (GRACE_AT, user.id)
    assert {part: len(found[part]) for part in PARTS} == {
        "sessions": 2,
        "devices": 2,
        "events": len(rows(app, select(AuditEvent).filter_by(user_id=user.id))),
        "mails": 4,
        "address_changes": 1,
        "codes": 2,
        "links": 2,
    }
    assert [session["ip"] for session in found["sessions"]] == [HERE, THERE]
    assert {mail["recipient"] for mail in found["mails"]} == {GRACE_AT, "old@example.com"}
    assert found["events"][-1]["name"] == "account_exported"
    assert recorded(app, "account_exported").session_id == holder.session_id


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_column_is_forgotten(app: Flask) -> None:
    """Who adds one says here whether it is told."""
    for model, schema, kept_back in TOLD:
        columns = set(model.__table__.columns.keys())
        told = set(schema().fields)
        assert columns - told <= kept_back, model
        assert not told & SECRET


def test_it_is_a_file_that_nobody_keeps_on_the_way(app: Flask, people: People) -> None:
    answer = export(people, Holder.of(app).token)

    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="account.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.get_json()["status"] == "Success"


def test_nothing_in_it_opens_a_door(app: Flask, people: People) -> None:
    holder = Holder.of(app)
    asked = asked_for(people)
    within(app, lambda: under_way(holder.tokens["user"]["id"], "new@example.com", GRACE_AT))
    settle(app)
    text = export(people, holder.token).text
    mails = people.mailbox.all()

    for secret in (PASSWORD, asked.id, *(holder.tokens[name] for name in ("token", "refresh_token", "device_token"))):
        assert secret not in text
    assert not [code_of(mail) for mail in mails if "code" in mail["subject"] and code_of(mail) in text]
    assert asked.code not in text
    assert "Hello" not in text
    for stored in stored_secrets(app):
        assert [form for form in written(stored) if form in text] == [], stored


def stored_secrets(app: Flask) -> list[bytes]:
    """Everything that a table holds as bytes, and the hash of the password."""
    hidden = [user.password.encode() for user in rows(app, select(User))]
    columns = ((model, name) for model, _, _ in TOLD for name in SECRET | DOORS if name in model.__table__.c)
    for model, name in columns:
        hidden += [value for value in rows(app, select(model.__table__.c[name])) if isinstance(value, bytes) and value]
    assert len(hidden) > 8
    return hidden


def written(secret: bytes) -> list[str]:
    """The forms in which it could be there."""
    encodings = [base64.b64encode(secret), base64.urlsafe_b64encode(secret).rstrip(b"="), secret.hex().encode()]
    return [form.decode() for form in encodings] + [json.dumps(secret.decode("latin-1"))[1:-1]]


def test_nothing_of_anybody_else_is_in_it(app: Flask, people: People) -> None:
    ada = Holder.of(app, "ada@example.com", at=THERE)
    asked_for(people, "ada@example.com", at=THERE)
    within(app, lambda: under_way(ada.tokens["user"]["id"], "lovelace@example.com", "byron@example.com"))
    token = Holder.of(app).token
    settle(app)
    text = export(people, token).text

    for trace in ("ada@", "lovelace@", "byron@", THERE, str(ada.tokens["user"]["id"]), str(ada.session_id)):
        assert trace not in text


def test_it_takes_a_token_that_is_fresh(app: Flask, people: People) -> None:
    holder = Holder.of(app)
    holder.refreshes()

    assert refused(export(people, holder.token)) == (403, "reauthentication_required")
    assert refused(people.client.get("/users/export")) == (401, "invalid_token")
    assert not events(app, "account_exported")


def test_who_closed_the_account_takes_everything_along(app: Flask, people: People) -> None:
    person = people.joined()
    close(people.client, person.signed_in()["token"])

    assert taken(people, person.signed_in()["token"])["profile"]["closes_at"]


def test_five_an_hour_are_enough_for_one_person(app: Flask, people: People) -> None:
    holder, ada = Holder.of(app), Holder.of(app, "ada@example.com")
    client = app.test_client
    answers = together([partial(client().get, "/users/export", headers=bearer(holder.token)) for _ in range(8)])
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 3

    last = export(people, holder.token)
    assert refused(last) == (429, "too_many_requests")
    assert 3500 < last.get_json()["retry_after"] <= 3600
    assert export(people, ada.token).status_code == 200
    assert len(events(app, "account_exported")) == 6
    clock.travel(timedelta(hours=1))
    again = Person(people.client, GRACE_AT).signed_in()["token"]
    assert export(people, again).status_code == 200


def test_a_long_trail_is_read_while_it_is_sent(app: Flask, people: People) -> None:
    """A page at a time, in a transaction of its own, and none is open while a slow reader takes it."""
    holder = Holder.of(app)
    happened(app, holder.tokens["user"]["id"], PAGE * 3)
    app.extensions[jobs.KEY].stop()
    with statements(app) as told:
        answer = people.client.get("/users/export", headers=bearer(holder.token), buffered=False)
        pieces, pages = [], []
        for piece in answer.iter_encoded():
            pieces.append(piece)
            pages.append(len([one for one in told if "FROM audit_events" in one]))
            assert connections(app) == 0
    answer.close()
    ids = [event["id"] for event in json.loads(b"".join(pieces))["events"]]

    assert (pages[0], pages[-1]) == (0, 4)
    assert {1, 2, 3} <= set(pages)
    assert len(ids) == len(set(ids)) == PAGE * 3 + 3


def test_each_piece_may_be_asked_for_in_another_thread(app: Flask, people: People) -> None:
    """As servers do that keep no thread for an answer."""
    holder = Holder.of(app)
    happened(app, holder.tokens["user"]["id"], PAGE * 2)
    answer = people.client.get("/users/export", headers=bearer(holder.token), buffered=False)
    pieces = answer.iter_encoded()
    text = b""
    while piece := together([partial(next, pieces, b"")])[0]:
        text += piece

    assert len(json.loads(text)["events"]) == PAGE * 2 + 3


def happened(app: Flask, user_id: int, count: int) -> None:
    about = {"at": clock.now(), "name": "profile_edited", "user_id": user_id, "details": {}}
    change(app, insert(AuditEvent).values([{"id": number, **about} for number in range(1, count + 1)]))


def connections(app: Flask) -> int:
    """How many are in use."""
    with app.app_context():
        pool = db.engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


@pytest.mark.parametrize("count", [PAGE - 3, PAGE * 2 - 3])
def test_a_page_that_is_just_full_is_the_last(app: Flask, people: People, count: int) -> None:
    holder = Holder.of(app)
    happened(app, holder.tokens["user"]["id"], count)

    assert len(taken(people, holder.token)["events"]) == count + 3


def test_a_reader_who_leaves_half_way_leaves_nothing_open(app: Flask, people: People) -> None:
    holder = Holder.of(app)
    happened(app, holder.tokens["user"]["id"], PAGE * 2)
    answer = people.client.get("/users/export", headers=bearer(holder.token), buffered=False)
    next(iter(answer.iter_encoded()))
    answer.close()

    assert people.client.head("/users/export", headers=bearer(holder.token)).status_code == 200
    assert taken(people, holder.token)["events"][-1]["name"] == "account_exported"
