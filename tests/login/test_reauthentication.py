"""Whoever is about to change what matters gives the password again."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import MakeApp
from tests.inside import recorded, refused
from tests.keys.reading import claims
from tests.login.guessing import WRONG_ONE
from tests.people import PASSWORD, People, bearer
from werkzeug.test import TestResponse

from flaskauth.foundation import clock

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

ASKED = (403, "reauthentication_required")


def again(client: FlaskClient, token: str, password: str = PASSWORD) -> TestResponse:
    return client.post("/auth/reauthenticate", json={"password": password}, headers=bearer(token))


def end_others(client: FlaskClient, token: str) -> TestResponse:
    return client.delete("/auth/sessions", headers=bearer(token))


def test_a_token_from_sign_in_is_fresh_for_ten_minutes(make_app: MakeApp) -> None:
    people = People(make_app(JWT_DURATION="60"))
    token = people.joined().signed_in()["token"]
    clock.travel(timedelta(minutes=9, seconds=50))
    assert end_others(people.client, token).status_code == 200

    clock.travel(timedelta(seconds=11))
    assert refused(end_others(people.client, token)) == ASKED


def test_a_refreshed_token_is_never_fresh(people: People) -> None:
    welcome = people.joined().signed_in()
    refreshed = people.client.post("/auth/refresh", json={"refresh_token": welcome["refresh_token"]}).get_json()

    assert refused(end_others(people.client, refreshed["token"])) == ASKED
    assert end_others(people.client, welcome["token"]).status_code == 200


def test_the_password_makes_a_fresh_token(app: Flask, people: People) -> None:
    welcome = people.joined().signed_in()
    clock.travel(timedelta(minutes=30))
    stale = people.client.post("/auth/refresh", json={"refresh_token": welcome["refresh_token"]}).get_json()["token"]
    answer = again(people.client, stale)
    fresh = answer.get_json()

    assert set(fresh) == {"status", "success", "message", "token", "fresh_until"}
    assert end_others(people.client, fresh["token"]).status_code == 200
    assert refused(end_others(people.client, stale)) == ASKED
    assert recorded(app, "reauthenticated").user_id == welcome["user"]["id"]


def test_it_stays_the_same_session_and_its_sign_in_keeps_its_time(people: People) -> None:
    welcome = people.joined().signed_in()
    clock.travel(timedelta(minutes=5))
    fresh = again(people.client, welcome["token"]).get_json()
    before, after = claims(welcome["token"]), claims(fresh["token"])

    assert (after["sid"], after["sub"], after["auth_time"]) == (before["sid"], before["sub"], before["auth_time"])
    assert after["jti"] != before["jti"]
    told = datetime.fromisoformat(fresh["fresh_until"]).timestamp()
    assert told == after["fresh_until"] == after["iat"] + 600


def test_a_wrong_password_makes_none(people: People) -> None:
    token = people.joined().signed_in()["token"]

    assert refused(again(people.client, token, "wrong")) == WRONG_ONE


def test_without_a_session_nothing_is_compared(people: People) -> None:
    token = people.joined().signed_in()["token"]
    people.client.post("/auth/logout", headers=bearer(token))

    assert refused(again(people.client, token)) == (401, "invalid_token")
    assert refused(people.client.post("/auth/reauthenticate", json={"password": PASSWORD})) == (401, "invalid_token")


def test_the_guard_is_asked_before_the_body(client: FlaskClient) -> None:
    assert refused(client.post("/auth/reauthenticate", data=b"{")) == (401, "invalid_token")
    assert refused(client.delete("/auth/sessions", data=b"{")) == (401, "invalid_token")
