"""`auth_required` and `auth_optional` on routes that an application adds to the server."""

from pathlib import Path
from typing import Any

import pytest
from apiflask import APIBlueprint
from flask import Blueprint, Flask, abort
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from tests.conftest import MakeApp
from tests.sessions.helpers import SessionClient
from tests.support.inspect import error_of, query_all
from tests.support.users import UserFactory, bearer

from flaskauth import Settings, auth_optional, auth_required, create_app
from flaskauth.accounts.models import User
from flaskauth.core.db.session import db, dispose_engines
from flaskauth.core.errors import NotFound
from flaskauth.core.http.request import public
from flaskauth.core.jobs import background
from flaskauth.countries.models import Region

INVALID_TOKEN = (401, "invalid_token")


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
        return {"hello": user.first_name if user else "guest"}

    @app.post("/names/<name>")
    @auth_required
    def rename(user: User, name: str) -> dict[str, Any]:
        user.first_name = name
        if name == "Missing":
            raise NotFound
        if name == "Crash":
            raise RuntimeError
        return {"name": db.session.get_one(User, user.id).first_name}

    @app.get("/abort/<int:status>")
    @public
    def abort_with(status: int) -> str:
        abort(status, "Message of the route.")

    return app


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (409, "conflict", "Message of the route."),
        (403, "forbidden", "Message of the route."),
        (418, "im_a_teapot", "Message of the route."),
        (404, "not_found", "Not found."),
    ],
)
def test_custom_route_abort_keeps_its_status(app: Flask, status: int, code: str, message: str) -> None:
    response = app.test_client().get(f"/abort/{status}")

    assert (error_of(response), response.get_json()["message"]) == ((status, code), message)


def test_auth_required_passes_user_before_path_arguments(app: Flask) -> None:
    session = SessionClient.for_new_user(app)

    response = session.client.get("/notes/7", headers=bearer(session.token))
    assert response.get_json() == {"of": "grace@example.com", "number": 7}


def test_auth_required_without_token_returns_401(app: Flask) -> None:
    response = app.test_client().get("/notes/7")

    assert (error_of(response), response.get_json()["message"]) == (INVALID_TOKEN, "Authorization token required")


def test_auth_optional_passes_none_without_token(app: Flask) -> None:
    session = SessionClient.for_new_user(app)

    assert session.client.get("/greeting").get_json() == {"hello": "guest"}
    assert session.client.get("/greeting", headers=bearer(session.token)).get_json() == {"hello": "Grace"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_auth_decorators_reject_invalid_token(app: Flask) -> None:
    for value in ("Bearer nonsense", "Bearer", "Bearer ", "Basic Z3JhY2U6eA==", "nonsense"):
        for path in ("/notes/7", "/greeting"):
            response = app.test_client().get(path, headers={"Authorization": value})
            assert (error_of(response), response.get_json()["message"]) == (INVALID_TOKEN, "Invalid token")


def test_auth_decorators_reject_revoked_session(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    session.client.post("/auth/logout", headers=bearer(session.token))

    for path in ("/notes/7", "/greeting"):
        assert error_of(session.client.get(path, headers=bearer(session.token))) == INVALID_TOKEN


@pytest.mark.parametrize(
    ("name", "status", "after"), [("Amazing", 200, "Amazing"), ("Missing", 404, "Missing"), ("Crash", 500, "Grace")]
)
def test_custom_route_commits_or_rolls_back_as_a_whole(app: Flask, name: str, status: int, after: str) -> None:
    """Responses and API errors commit; unexpected exceptions roll back."""
    session = SessionClient.for_new_user(app)
    response = session.client.post(f"/names/{name}", headers=bearer(session.token))

    assert response.status_code == status
    assert [user.first_name for user in query_all(app, select(User))] == [after]


def test_custom_route_may_catch_duplicate_key_in_savepoint(app: Flask) -> None:
    """The rest of the transaction is committed, and the request is not retried."""
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

    session = SessionClient.for_new_user(app)
    response = session.client.post("/regions", headers=bearer(session.token))

    assert (response.get_json(), runs) == ({"duplicate": True}, ["Grace"])
    assert [user.first_name for user in query_all(app, select(User))] == ["Amazing"]


def test_savepoint_rolls_back_with_its_transaction(app: Flask) -> None:
    @app.post("/regions")
    @public
    def region() -> str:
        with db.session.begin_nested():
            db.session.add(Region(id=999, code="999", name="Another world"))
        raise RuntimeError

    assert app.test_client().post("/regions").status_code == 500
    assert query_all(app, select(Region).filter_by(id=999)) == []


def test_create_app_from_settings_supports_auth_required(tmp_path: Path) -> None:
    app = create_app(Settings.load({"FLASKAUTH_INSTANCE_PATH": str(tmp_path)}, tmp_path / "no.env"))
    app.add_url_rule("/mine", view_func=auth_required(lambda user: {"id": user.id}))

    assert error_of(app.test_client().get("/mine")) == INVALID_TOKEN
    app.extensions[background.KEY].stop()
    with app.app_context():
        dispose_engines()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_openapi_includes_apiflask_but_not_flask_blueprints(make_app: MakeApp) -> None:
    app = make_app()
    for blueprint_class in (APIBlueprint, Blueprint):
        blueprint = blueprint_class(blueprint_class.__name__, __name__)
        blueprint.add_url_rule(f"/of/{blueprint_class.__name__}", view_func=auth_required(lambda user: {"id": user.id}))
        app.register_blueprint(blueprint)

    paths = app.test_client().get("/openapi.json").get_json()["paths"]
    assert paths["/of/APIBlueprint"]["get"]["security"] == [{"bearer": []}]
    assert "/of/Blueprint" not in paths


def test_auth_optional_passes_registered_user(app: Flask) -> None:
    tokens = UserFactory(app).create_verified().login_ok()

    assert app.test_client().get("/greeting", headers=bearer(tokens["token"])).get_json() == {"hello": "Grace"}
