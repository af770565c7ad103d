"""Routes that somebody adds beside ours are guarded by the same two words."""

from pathlib import Path
from typing import Any

import pytest
from apiflask import APIBlueprint
from flask import Blueprint, Flask, abort
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from tests.conftest import MakeApp
from tests.inside import refused, rows
from tests.people import People, bearer
from tests.sessions.holding import Holder

from flaskauth import Settings, auth_optional, auth_required, create_app
from flaskauth.accounts.models import User
from flaskauth.foundation import jobs
from flaskauth.foundation.db import db, hang_up
from flaskauth.foundation.errors import NotFound
from flaskauth.foundation.http import public
from flaskauth.places.models import Region

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

    @app.get("/abort/<int:status>")
    @public
    def leave(status: int) -> str:
        abort(status, "Told by the route.")

    return app


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (409, "conflict", "Told by the route."),
        (403, "forbidden", "Told by the route."),
        (418, "im_a_teapot", "Told by the route."),
        (404, "not_found", "There is nothing here."),
    ],
)
def test_what_such_a_route_aborts_with_keeps_its_status(app: Flask, status: int, code: str, message: str) -> None:
    answer = app.test_client().get(f"/abort/{status}")

    assert (refused(answer), answer.get_json()["message"]) == ((status, code), message)


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


def test_a_duplicate_key_that_such_a_route_expects_is_caught_in_a_savepoint(app: Flask) -> None:
    """The rest of what it wrote is kept, and it is not run again."""
    runs: list[str] = []

    @app.post("/regions")
    @auth_required
    def region(user: User) -> dict[str, Any]:
        runs.append(user.first_name)
        user.first_name = "Amazing"
        try:
            with db.session.begin_nested():
                db.session.add(Region(id=999, code="001", name="Another world"))
        except IntegrityError:
            return {"duplicate": True}
        return {"duplicate": False}

    holder = Holder.of(app)
    answer = holder.client.post("/regions", headers=bearer(holder.token))

    assert (answer.get_json(), runs) == ({"duplicate": True}, ["Grace"])
    assert [person.first_name for person in rows(app, select(User))] == ["Amazing"]


def test_a_savepoint_of_such_a_route_is_part_of_its_transaction(app: Flask) -> None:
    @app.post("/regions")
    @public
    def region() -> str:
        with db.session.begin_nested():
            db.session.add(Region(id=999, code="999", name="Another world"))
        raise RuntimeError

    assert app.test_client().post("/regions").status_code == 500
    assert rows(app, select(Region).filter_by(id=999)) == []


def test_such_an_app_is_made_from_settings(tmp_path: Path) -> None:
    app = create_app(Settings.load({"FLASKAUTH_INSTANCE_PATH": str(tmp_path)}, tmp_path / "no.env"))
    app.add_url_rule("/mine", view_func=auth_required(lambda user: {"id": user.id}))

    assert refused(app.test_client().get("/mine")) == INVALID
    app.extensions[jobs.KEY].stop()
    with app.app_context():
        hang_up()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_such_blueprints_of_apiflask_are_described_and_those_of_flask_are_not(make_app: MakeApp) -> None:
    app = make_app()
    for kind in (APIBlueprint, Blueprint):
        bp = kind(kind.__name__, __name__)
        bp.add_url_rule(f"/of/{kind.__name__}", view_func=auth_required(lambda user: {"id": user.id}))
        app.register_blueprint(bp)

    paths = app.test_client().get("/openapi.json").get_json()["paths"]
    assert paths["/of/APIBlueprint"]["get"]["security"] == [{"bearer": []}]
    assert "/of/Blueprint" not in paths


def test_a_person_who_joins_meets_them_too(app: Flask) -> None:
    welcome = People(app).joined().signed_in()

    assert app.test_client().get("/greeting", headers=bearer(welcome["token"])).get_json() == {"hello": "Grace"}
