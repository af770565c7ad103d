"""SECOND_FACTOR: a user who must have a second factor and has none can only add one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click
import pytest
from flask import Flask
from sqlalchemy import insert, select, update
from tests.conftest import MakeApp
from tests.docs.code_blocks import block
from tests.mfa.helpers import SECOND_FACTOR_REQUIRED, MfaUser
from tests.passkeys.client import PASSKEYS, PasskeyUser
from tests.support.inspect import audit_events, error_of, execute_statement, query_all
from tests.support.route_catalog import Route, all_routes
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.users import PASSWORD, TestUser, UserFactory, bearer

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.mfa.models import TotpFactor

FORBIDDEN = (403, "forbidden")
ENROLMENT_REQUIRED = (403, "mfa_enrolment_required")
ALLOWED = {
    "GET /users/profile",
    "POST /auth/reauthenticate",
    "POST /auth/reauthenticate/options",
    "GET /users/factors",
    "POST /users/factors/totp",
    "POST /users/factors/totp/1/confirm",
    "PATCH /users/factors/totp/1",
    "DELETE /users/factors/totp/1",
    "POST /users/factors/passkeys/options",
    "POST /users/factors/passkeys",
    "PATCH /users/factors/passkeys/1",
    "DELETE /users/factors/passkeys/1",
    "POST /users/factors/recovery-codes",
    "PUT /users/factors/mfa",
    "DELETE /users/factors/remembered",
    "GET /auth/sessions",
    "DELETE /auth/sessions",
    "DELETE /auth/sessions/1",
    "POST /users/account/restore",
}


def sign_in(app: Flask) -> str:
    token: str = UserFactory(app).create_verified().login_ok()["token"]
    return token


def rejected_routes(app: Flask, token: str) -> set[str]:
    """Return the guarded routes that require a second factor."""
    client = app.test_client()

    def is_rejected(route: Route) -> bool:
        response = client.open(route.path, method=route.method, headers=bearer(token))
        return error_of(response) == ENROLMENT_REQUIRED if response.status_code == 403 else False

    return {str(route) for route in guarded_routes(app) if is_rejected(route)}


def edit_profile(app: Flask, token: str) -> tuple[int, str | None]:
    response = app.test_client().post("/users/edit", json={"locale": "en"}, headers=bearer(token))
    return response.status_code, response.get_json().get("code")


def guarded_routes(app: Flask) -> Iterator[Route]:
    return (route for route in all_routes(app) if route.access == "guarded")


def test_required_factor_rejects_all_but_enrolment_routes(make_app: MakeApp) -> None:
    app = make_app(SECOND_FACTOR="required")
    token = sign_in(app)

    assert rejected_routes(app, token) == {str(route) for route in guarded_routes(app)} - ALLOWED
    assert app.test_client().post("/auth/logout", headers=bearer(token)).status_code == 200


def test_required_factor_of_one_user_rejects_only_that_user(app: Flask, users: UserFactory) -> None:
    token = sign_in(app)
    assert edit_profile(app, token) == (200, None)
    execute_statement(app, update(User).values(mfa_required=True))
    assert edit_profile(app, token) == ENROLMENT_REQUIRED
    execute_statement(app, update(User).values(mfa_enabled=True))
    assert edit_profile(app, token) == (200, None)


def test_required_factor_is_announced_until_its_date(make_app: MakeApp) -> None:
    lines = block("docs/how-to/require-second-factors.md", "required").splitlines()
    settings = dict(line.strip().split("=") for line in lines)
    first_day = datetime.fromisoformat(settings["SECOND_FACTOR_FROM"]).replace(tzinfo=UTC)
    clock.travel(first_day - timedelta(minutes=1) - clock.now())
    response = UserFactory(app := make_app(**settings)).create_verified().login_ok()
    assert response["enrol_by"] == clock.to_rfc3339(first_day)
    assert "mfa_enrolment_required" not in response
    assert edit_profile(app, response["token"]) == (200, None)

    clock.travel(timedelta(minutes=1))
    assert edit_profile(app, response["token"]) == ENROLMENT_REQUIRED


def test_optional_factor_is_not_announced(users: UserFactory) -> None:
    assert not {"enrol_by", "mfa_enrolment_required"} & users.create_verified().login_ok().keys()


def test_sign_in_says_that_only_enrolment_is_open(make_app: MakeApp) -> None:
    app = make_app(SECOND_FACTOR="required")
    response = UserFactory(app).create_verified().login_ok()
    assert (response["mfa_enrolment_required"], "enrol_by" in response) == (True, False)
    assert edit_profile(app, response["token"]) == ENROLMENT_REQUIRED

    user = MfaUser.create(app, "ada@example.com")
    assert "mfa_enrolment_required" not in user.sign_in()


def test_deletion_of_user_who_must_enrol_can_be_cancelled(make_app: MakeApp) -> None:
    app = make_app(SECOND_FACTOR="required")
    user: TestUser = UserFactory(app).create_verified()
    execute_statement(app, update(User).values(deletion_due_at=clock.now()))

    assert app.test_client().post("/users/account/restore", headers=bearer(user.login_ok()["token"])).status_code == 200


def test_start_with_factors_is_rejected_if_they_are_off(make_app: MakeApp) -> None:
    app = make_app()
    user_id = UserFactory(app).create_verified().login_ok()["user"]["id"]
    make_app(SECOND_FACTOR="off")

    now = clock.now()
    factor = {"session_id": 1, "name": "phone", "encrypted_secret": b"s", "last_step": 0, "created_at": now}
    execute_statement(app, insert(TotpFactor).values(id=1, user_id=user_id, confirmed_at=now, **factor))
    with pytest.raises(click.ClickException, match="users reset-factors"):
        make_app(SECOND_FACTOR="off")


def test_required_factor_is_enrolled_and_last_one_stays(make_app: MakeApp) -> None:
    user = MfaUser.create(make_app(SECOND_FACTOR="required"))
    overview = user.overview()

    assert (overview["required"], overview["enrol_by"], overview["mfa_enabled"]) == (True, None, True)
    assert error_of(user.call("DELETE", f"/totp/{user.factor_id}")) == FORBIDDEN
    response = user.call("PUT", "/mfa", {"enabled": False})
    assert error_of(response) == FORBIDDEN
    assert response.get_json()["message"] == "Your account requires a second factor at each sign-in."
    first_id = user.factor_id
    user.enrol("Tablet")
    assert user.call("DELETE", f"/totp/{first_id}").status_code == 200
    assert error_of(user.call("DELETE", f"/totp/{user.factor_id}")) == FORBIDDEN


def test_second_factor_off_rejects_enrolment(make_app: MakeApp) -> None:
    user = MfaUser.create(make_app(SECOND_FACTOR="off"), enrols=False)

    assert error_of(user.call("POST", "/totp", {"name": "Phone"})) == FORBIDDEN


def test_required_passkey_turns_mfa_on_and_last_one_stays(make_app: MakeApp) -> None:
    app = make_app(SECOND_FACTOR="required")
    user = PasskeyUser.sign_in(UserFactory(app).create_verified())
    user.add()
    user.add()
    factors = user.client.get("/users/factors", headers=user.headers).get_json()
    first, second = (f"{PASSKEYS}/{passkey['id']}" for passkey in factors["passkeys"])

    assert factors["mfa_enabled"] is True
    assert user.client.delete(first, headers=user.headers).status_code == 200
    assert error_of(user.client.delete(second, headers=user.headers)) == FORBIDDEN


def test_passkey_of_user_who_must_have_a_factor_turns_mfa_on(app: Flask, users: UserFactory) -> None:
    user = PasskeyUser.sign_in(users.create_verified())
    execute_statement(app, update(User).values(mfa_required=True))
    user.add(kind="security_key")

    assert edit_profile(app, user.headers["Authorization"].removeprefix("Bearer ")) == (200, None)


def create_user_with_mfa_off(make_app: MakeApp) -> tuple[PasskeyUser, str]:
    """Create a user who has a passkey but MFA off. Return also a recovery code."""
    user = PasskeyUser.sign_in(UserFactory(make_app()).create_verified())
    codes = user.register(SoftAuthenticator().create(user.creation_options())).get_json()["recovery_codes"]
    return user, codes[0]


def require(make_app: MakeApp, *, of_all: bool) -> Flask:
    """Require a second factor of all users, or of each one."""
    app = make_app(**({"SECOND_FACTOR": "required"} if of_all else {}))
    if not of_all:
        execute_statement(app, update(User).values(mfa_required=True))
    return app


@pytest.mark.parametrize("of_all", [True, False])
def test_required_factor_that_exists_is_needed_at_sign_in(make_app: MakeApp, of_all: bool) -> None:
    """An attacker with the password cannot add a factor. The owner's factor turns MFA on."""
    user, code = create_user_with_mfa_off(make_app)
    app = require(make_app, of_all=of_all)
    client = app.test_client()
    response = client.post("/auth/login", json={"email": user.user.email, "password": PASSWORD})
    assert error_of(response) == SECOND_FACTOR_REQUIRED
    assert query_all(app, select(User.mfa_enabled)) == [False]

    body = {"challenge_token": response.get_json()["challenge_token"], "recovery_code": code}
    tokens = client.post("/auth/second-factor", json=body).get_json()
    assert "mfa_enrolment_required" not in tokens
    assert client.get("/users/factors", headers=bearer(tokens["token"])).get_json()["mfa_enabled"] is True
    assert edit_profile(app, tokens["token"]) == (200, None)
    assert client.get("/users/factors", headers=user.headers).status_code == 401


def test_required_factor_that_exists_is_needed_from_the_date(make_app: MakeApp) -> None:
    user, _code = create_user_with_mfa_off(make_app)
    first_day = (clock.now() + timedelta(days=2)).date()
    client = make_app(SECOND_FACTOR="required", SECOND_FACTOR_FROM=first_day.isoformat()).test_client()
    body = {"email": user.user.email, "password": PASSWORD}
    assert client.post("/auth/login", json=body).get_json()["enrol_by"] == f"{first_day}T00:00:00Z"

    clock.travel(timedelta(days=2))
    assert error_of(client.post("/auth/login", json=body)) == SECOND_FACTOR_REQUIRED


def test_required_factor_that_exists_reopens_old_session(make_app: MakeApp) -> None:
    user, code = create_user_with_mfa_off(make_app)
    other_token = user.user.login_ok()["token"]
    app = require(make_app, of_all=True)
    client, headers = app.test_client(), user.headers
    assert edit_profile(app, headers["Authorization"].removeprefix("Bearer ")) == ENROLMENT_REQUIRED
    response = client.post("/auth/reauthenticate", json={"password": PASSWORD}, headers=headers)
    assert error_of(response) == SECOND_FACTOR_REQUIRED

    body = {"password": PASSWORD, "recovery_code": code}
    token = client.post("/auth/reauthenticate", json=body, headers=headers).get_json()["token"]
    assert edit_profile(app, token) == (200, None)
    assert client.get("/users/factors", headers=bearer(other_token)).status_code == 401
    assert [event.details["enabled"] for event in audit_events(app, "mfa_changed")] == ["yes"]


@pytest.mark.parametrize("kind", ["passkey", "security_key"])
def test_second_factor_off_rejects_passkeys(make_app: MakeApp, kind: str) -> None:
    user = PasskeyUser.sign_in(UserFactory(make_app()).create_verified())
    credential = SoftAuthenticator().create(user.creation_options(kind))
    client = make_app(SECOND_FACTOR="off").test_client()

    for path, body in (("/options", {"kind": kind}), ("", {"credential": credential, "name": "MacBook"})):
        assert error_of(client.post(f"{PASSKEYS}{path}", json=body, headers=user.headers)) == FORBIDDEN
