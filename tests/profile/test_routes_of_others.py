"""Routes that somebody adds beside ours are guarded by the same two words."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.inside import refused, rows
from tests.people import People, bearer
from tests.sessions.holding import Holder

from flaskauth import Settings, auth_optional, auth_required, create_app
from flaskauth.accounts.models import User
from flaskauth.foundation import jobs
from flaskauth.foundation.db import db
from flaskauth.foundation.errors import NotFound

INVALID = (401, "invalid_token")


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    app = make_app()

    @app.get("/notes/<int:number>")
    @auth_required
    def note(user: User, number: int) -> dict[str, Any]:
        return {"of": user.email, "number": number}

    @app.get("/greeting")
    @auth_optional
    def greeting(user: User | None) -> dict[str, Any]:
        return {"hello": user.first_name if user else "stranger"}

    @app.post("/names/<name>")
    @auth_required
    def rename(user: User, name: str) -> dict[str, Any]:
        user.first_name = name
        if name == "Nobody":
            raise NotFound
        if name == "Crash":
            raise RuntimeError
        return {"name": db.session.get_one(User, user.id).first_name}

    return app


def test_the_person_is_the_first_argument_and_the_path_follows(app: Flask) -> None:
    holder = Holder.of(app)

    answer = holder.client.get("/notes/7", headers=bearer(holder.token))
    assert answer.get_json() == {"of": "grace@example.com", "number": 7}


def test_without_a_token_a_guarded_route_says_what_is_missing(app: Flask) -> None:
    answer = app.test_client().get("/notes/7")

    assert (refused(answer), answer.get_json()["message"]) == (INVALID, "Authorization token required")


def test_where_it_is_optional_nobody_is_none(app: Flask) -> None:
    holder = Holder.of(app)

    assert holder.client.get("/greeting").get_json() == {"hello": "stranger"}
    assert holder.client.get("/greeting", headers=bearer(holder.token)).get_json() == {"hello": "Grace"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_bad_token_is_refused_by_both(app: Flask) -> None:
    for value in ("Bearer nonsense", "Bearer", "Bearer ", "Basic Z3JhY2U6eA==", "nonsense"):
        for path in ("/notes/7", "/greeting"):
            answer = app.test_client().get(path, headers={"Authorization": value})
            assert (refused(answer), answer.get_json()["message"]) == (INVALID, "Invalid token")


def test_a_session_that_ended_is_refused_by_both(app: Flask) -> None:
    holder = Holder.of(app)
    holder.client.post("/auth/logout", headers=bearer(holder.token))

    for path in ("/notes/7", "/greeting"):
        assert refused(holder.client.get(path, headers=bearer(holder.token))) == INVALID


@pytest.mark.parametrize(
    ("name", "status", "after"), [("Amazing", 200, "Amazing"), ("Nobody", 404, "Nobody"), ("Crash", 500, "Grace")]
)
def test_what_such_a_route_writes_is_one_transaction(app: Flask, name: str, status: int, after: str) -> None:
    """An answer commits, a refusal too, an accident rolls back."""
    holder = Holder.of(app)
    answer = holder.client.post(f"/names/{name}", headers=bearer(holder.token))

    assert answer.status_code == status
    assert [person.first_name for person in rows(app, select(User))] == [after]


def test_such_an_app_is_made_from_settings(tmp_path: Path) -> None:
    app = create_app(Settings.load({"FLASKAUTH_INSTANCE_PATH": str(tmp_path)}, tmp_path / "no.env"))
    app.add_url_rule("/mine", view_func=auth_required(lambda user: {"id": user.id}))

    assert refused(app.test_client().get("/mine")) == INVALID
    app.extensions[jobs.KEY].stop()
    with app.app_context():
        db.engine.dispose()


def test_a_person_who_joins_meets_them_too(app: Flask) -> None:
    welcome = People(app).joined().signed_in()

    assert app.test_client().get("/greeting", headers=bearer(welcome["token"])).get_json() == {"hello": "Grace"}
