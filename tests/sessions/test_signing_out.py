"""A session that ended is over at once, everywhere, whatever raced with its end."""

from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.inside import events, recorded, refused, rows, together
from tests.people import PASSWORD, bearer, network
from tests.sessions.holding import INVALID, Holder
from werkzeug.test import TestResponse

from flaskauth.sessions.models import Session

ROUNDS = 20


def signs_out(holder: Holder) -> TestResponse:
    return holder.client.application.test_client().post("/auth/logout", headers=bearer(holder.token))


def gives_up(holder: Holder, refresh_token: str | None = None) -> TestResponse:
    return holder.client.post("/auth/logout", json={"refresh_token": refresh_token or holder.refresh_token})


def test_an_access_token_ends_its_session(app: Flask) -> None:
    holder = Holder.of(app)
    answer = signs_out(holder)

    assert (answer.status_code, answer.get_json()["message"]) == (200, "Signed out")
    assert "storage" in answer.headers["Clear-Site-Data"]
    assert holder.is_over()
    assert recorded(app, "signed_out").session_id == holder.session_id


def test_a_refresh_token_ends_its_session_too(app: Flask) -> None:
    holder = Holder.of(app)

    assert gives_up(holder).status_code == 200
    assert holder.is_over()


def test_so_does_one_that_was_traded_long_ago(app: Flask) -> None:
    holder = Holder.of(app)
    first = holder.refresh_token
    holder.refreshes()
    holder.refreshes()

    assert gives_up(holder, first).status_code == 200
    assert holder.is_over()
    assert not events(app, "refresh_token_reused")


def test_signing_out_twice_is_as_good_and_happens_once(app: Flask) -> None:
    holder = Holder.of(app)

    assert [signs_out(holder).status_code for _ in range(2)] == [200, 200]
    assert [gives_up(holder).status_code for _ in range(2)] == [200, 200]
    assert recorded(app, "signed_out").user_id == holder.tokens["user"]["id"]


def test_an_unknown_token_is_as_good(app: Flask) -> None:
    holder = Holder.of(app)

    assert gives_up(holder, "1.1.none").status_code == 200
    assert holder.refreshes()


def test_it_says_what_is_missing(app: Flask) -> None:
    client = app.test_client()
    nothing = client.post("/auth/logout")

    assert (refused(nothing), nothing.get_json()["message"]) == (INVALID, "Authorization token required")
    assert refused(client.post("/auth/logout", json={})) == INVALID
    assert refused(client.post("/auth/logout", headers=bearer("nonsense"))) == INVALID
    assert "Clear-Site-Data" not in nothing.headers


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_link_signs_nobody_out(app: Flask) -> None:
    answer = app.test_client().get("/auth/logout")

    assert refused(answer) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "OPTIONS, POST"


def test_an_ended_session_is_refused_everywhere_at_once(app: Flask, make_app: MakeApp) -> None:
    holder, other = Holder.of(app), make_app()
    assert holder.calls(app=other) == 200
    signs_out(holder)

    client = other.test_client()
    for method, path in [
        ("GET", "/users/profile"),
        ("POST", "/users/edit"),
        ("GET", "/auth/sessions"),
        ("DELETE", "/auth/sessions"),
        ("DELETE", f"/auth/sessions/{holder.session_id}"),
        ("POST", "/auth/reauthenticate"),
    ]:
        body = {"password": PASSWORD} if path == "/auth/reauthenticate" else {}
        assert refused(client.open(path, method=method, json=body, headers=bearer(holder.token))) == INVALID, path
    assert holder.presents(holder.refresh_token, app=other).status_code == 401


def test_a_refresh_that_races_with_signing_out_leaves_nothing_live(app: Flask) -> None:
    first = Holder.of(app)
    for number in range(ROUNDS):
        holder = Holder(first.client, signed_in(first, at=f"192.0.2.{number}"))
        refreshed, ended = together([partial(holder.presents, holder.refresh_token), partial(signs_out, holder)])

        assert ended.status_code == 200
        assert holder.is_over()
        if refreshed.status_code == 200:
            assert Holder(holder.client, refreshed.get_json()).is_over()
    assert [session.id for session in rows(app, select(Session).where(Session.ended_at.is_(None)))] == [
        first.session_id
    ]


def signed_in(holder: Holder, at: str) -> dict[str, object]:
    body = {"email": holder.tokens["user"]["email"], "password": PASSWORD}
    found: dict[str, object] = holder.client.post("/auth/login", json=body, headers=network(at)).get_json()
    return found
