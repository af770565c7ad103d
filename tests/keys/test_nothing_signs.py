"""Where nothing can sign yet, nobody loses what they hold for an answer that does not come."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, select
from tests.inside import change, events, refused, rows
from tests.people import PASSWORD
from tests.sessions.holding import Holder

from flaskauth.foundation import clock, jobs
from flaskauth.keys import service
from flaskauth.keys.models import SigningKey
from flaskauth.keys.ring import ring
from flaskauth.sessions.models import Session

AWAY = (503, "unavailable")


@pytest.fixture
def holder(app: Flask) -> Holder:
    """Somebody who is signed in, on a server whose keys are seen to when a test says so."""
    holder = Holder.of(app)
    app.extensions[jobs.KEY].stop()
    return holder


def test_a_key_from_a_machine_whose_clock_is_ahead_signs_at_once(holder: Holder, app: Flask) -> None:
    clock.travel(timedelta(seconds=20))
    with app.app_context():
        service.rotate(at_once=True)
    clock.travel(timedelta(seconds=-20))

    holder.refreshes()
    assert holder.calls() == 200


def test_without_a_key_nothing_is_traded(holder: Holder, app: Flask) -> None:
    _lose_every_key(app)
    assert refused(holder.presents(holder.refresh_token)) == AWAY

    with app.app_context():
        service.maintain()
    clock.travel(timedelta(minutes=5))
    holder.refreshes()
    assert holder.calls() == 200
    assert events(app, "refresh_token_reused") == []


def test_without_a_key_no_session_is_begun(holder: Holder, app: Flask) -> None:
    _lose_every_key(app)
    known = len(rows(app, select(Session)))
    asked = {"email": "grace@example.com", "password": PASSWORD}

    assert refused(app.test_client().post("/auth/login", json=asked)) == AWAY
    assert len(rows(app, select(Session))) == known
    assert len(events(app, "sign_in")) == known


def _lose_every_key(app: Flask) -> None:
    change(app, delete(SigningKey))
    with app.app_context():
        ring().forget()
