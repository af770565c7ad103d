"""The trail: every event by name, with who, where and in which request, whatever the answer was."""

import time

import pytest
from flask import Flask
from sqlalchemy import func, select
from tests.conftest import MakeApp
from tests.inside import events, recorded, rows, within
from tests.people import HERE, PASSWORD, THERE, People, form, network
from tests.servers import SmtpSink
from tests.sessions.holding import Holder

from flaskauth import audit
from flaskauth.audit.models import AuditEvent
from flaskauth.foundation import jobs
from flaskauth.keys import service as keys


def everything(app: Flask) -> str:
    """All that the trail says, as text."""
    found = rows(app, select(AuditEvent))
    return " ".join(str({name: value for name, value in vars(event).items() if name[0] != "_"}) for event in found)


def test_an_event_says_who_where_by_what_and_in_which_request(app: Flask, people: People) -> None:
    person = people.joined()
    headers = {**network(THERE), "User-Agent": "A browser\x1b[31m " + "x" * 300, "X-Request-ID": "mine-7"}
    body = {"email": person.email, "password": PASSWORD}
    user = person.client.post("/auth/login", json=body, headers=headers).get_json()["user"]
    event = recorded(app, "sign_in")

    assert (event.user_id, event.ip, event.request_id) == (user["id"], THERE, "mine-7")
    assert event.device == ("A browser[31m " + "x" * 300)[:255]


def test_what_was_refused_is_written_down_all_the_same(app: Flask, people: People) -> None:
    people.joined().sign_in("wrong")
    people.client.post("/auth/login", json={"email": "nobody@example.com", "password": "x"}, headers=network(HERE))
    known, unknown = events(app, "sign_in_failed")

    assert known.user_id
    assert unknown.user_id is None


def test_an_attempt_for_an_address_that_is_taken_is_told_by_another_name(app: Flask, people: People) -> None:
    people.joined()
    opened = recorded(app, "registration_opened")
    people.client.post("/auth/register", json=form(password="nine other blue kettles"))

    assert recorded(app, "registration_known").user_id == recorded(app, "account_created").user_id
    assert opened.user_id is None


def test_a_mail_that_a_server_refuses_for_good_is_written_down(make_app: MakeApp) -> None:
    with SmtpSink() as sink:
        sink.mode = "reject"
        app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=str(sink.port))
        People(app).pending()
        for _ in range(500):
            if events(app, "mail_rejected"):
                break
            time.sleep(0.01)

    assert recorded(app, "mail_rejected").details["reply"] == 550


def test_keys_that_come_and_go_are_written_down(app: Flask) -> None:
    assert set(recorded(app, "signing_key_made").details) == {"kid"}
    with app.app_context():
        keys.rotate(at_once=True)

    assert recorded(app, "signing_keys_dropped").details == {"dropped": 1}


def test_a_refresh_leaves_no_trace(app: Flask) -> None:
    """It is done all day; the session says when last."""
    holder = Holder.of(app)
    app.extensions[jobs.KEY].stop()
    [before] = rows(app, select(func.count()).select_from(AuditEvent))
    holder.refreshes()

    assert rows(app, select(func.count()).select_from(AuditEvent)) == [before]


def test_the_trail_holds_nothing_that_opens_a_door(app: Flask, people: People) -> None:
    person = people.joined()
    person.sign_in("a wrong guess")
    welcome = person.signed_in()
    told = everything(app)

    for secret in (
        PASSWORD,
        "a wrong guess",
        welcome["token"],
        welcome["refresh_token"],
        welcome["device_token"],
        person.email,
    ):
        assert secret not in told


def test_an_event_without_a_name_cannot_be_written(app: Flask) -> None:
    with pytest.raises(KeyError):
        within(app, lambda: audit.record("something_else"))
