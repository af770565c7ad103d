"""A request whose session is revoked after its authentication writes nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyotp
import pytest
from flask import Flask
from sqlalchemy import select
from tests.account_deletion.helpers import delete_account, travel_and_erase
from tests.avatars.sample_images import make_image, multipart_form
from tests.concurrency.interleaving import COMMIT, PausePoint, run_interleaved
from tests.conftest import sql_servers
from tests.email_change.helpers import INVALID_TOKEN, RequestedChange
from tests.passkeys.client import PASSKEYS, PasskeyUser, sign_in_with
from tests.security_alerts.helpers import REVOCATIONS, ActiveAccount
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import table_contents
from tests.support.inspect import error_of, query_all
from tests.support.route_catalog import all_routes
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.users import PASSWORD, TestUser, bearer

from flaskauth.core import clock
from flaskauth.mfa.models import Passkey

ON_SERVERS = pytest.mark.parametrize("database", sql_servers(), indirect=True)
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
AUTHENTICATED = (".", "FROM sessions")  # the first statement after the session was read
COUNTED = (".", COMMIT)  # the first statement after an attempt was counted, or a file was stored
OPTIONS = "POST /auth/reauthenticate/options"  # it writes nothing
LOGOUT = "POST /auth/logout"  # its own revocation is its only write
# Tables that the sign-out or a counted attempt changes.
CHANGED_TABLES = {"audit_events", "rate_limit_counters", "sessions", "one_time_codes"}

Prepare = Callable[[Flask, SessionClient], dict[str, Any]]


@dataclass(frozen=True)
class Write:
    """A route that writes as the user, where its request pauses, and what it requires beforehand."""

    pause_point: PausePoint
    body: dict[str, Any] | None = None
    prepare: Prepare = lambda _app, _session: {}


def request_email_change(app: Flask, session: SessionClient) -> dict[str, Any]:
    return {"json": {"otp": RequestedChange.request(app, session).code}}


def prepare_upload(_app: Flask, _session: SessionClient) -> dict[str, Any]:
    data, content_type = multipart_form(("avatar", "me.png", make_image(size=(8, 8))))
    return {"json": None, "data": data, "content_type": content_type}


def upload_avatar(app: Flask, session: SessionClient) -> dict[str, Any]:
    response = session.client.put("/users/avatar", headers=bearer(session.token), **prepare_upload(app, session))
    assert response.status_code == 200, response.text
    return {}


def schedule_deletion(_app: Flask, session: SessionClient) -> dict[str, Any]:
    assert delete_account(session.client, session.token).status_code == 200
    session.tokens = TestUser(session.client, "grace@example.com").login_ok()
    return {}


def other_session(_app: Flask, session: SessionClient) -> dict[str, Any]:
    other = SessionClient(session.client, TestUser(session.client, "grace@example.com").login_ok())
    return {"path": f"/auth/sessions/{other.session_id}"}


def start_totp(_app: Flask, session: SessionClient) -> dict[str, Any]:
    body = {"name": "Phone"}
    added = session.client.post("/users/factors/totp", json=body, headers=bearer(session.token)).get_json()
    otp = pyotp.TOTP(added["secret"]).at(clock.now())
    return {"path": f"/users/factors/totp/{added['id']}/confirm", "json": {"otp": otp}}


def add_totp(app: Flask, session: SessionClient) -> dict[str, Any]:
    confirmation = start_totp(app, session)
    assert session.client.post(**confirmation, headers=bearer(session.token)).status_code == 200
    return {"path": confirmation["path"].removesuffix("/confirm")}


def turn_mfa_on(app: Flask, session: SessionClient) -> dict[str, Any]:
    add_totp(app, session)
    return {}


def passkey_user(session: SessionClient) -> PasskeyUser:
    return PasskeyUser(TestUser(session.client, "grace@example.com"), bearer(session.token))


def create_passkey(_app: Flask, session: SessionClient) -> dict[str, Any]:
    credential = SoftAuthenticator().create(passkey_user(session).creation_options())
    return {"json": {"credential": credential, "name": "Laptop"}}


def add_passkey(app: Flask, session: SessionClient) -> dict[str, Any]:
    passkey_user(session).add()
    [passkey_id] = query_all(app, select(Passkey.id))
    return {"path": f"{PASSKEYS}/{passkey_id}"}


def sign_in_with_one_of_two_passkeys(_app: Flask, session: SessionClient) -> dict[str, Any]:
    user = passkey_user(session)
    authenticator, _other = user.add(), user.add()
    session.tokens = sign_in_with(session.client, authenticator).get_json()
    return {}


WRITES = {
    "POST /auth/change-password": Write(COUNTED, {"current_password": PASSWORD, "password": "nine purple umbrellas"}),
    "POST /auth/reauthenticate": Write(COUNTED, {"password": PASSWORD}),
    "DELETE /auth/sessions": Write(AUTHENTICATED),
    "DELETE /auth/sessions/1": Write(AUTHENTICATED, prepare=other_session),
    "DELETE /users/account": Write(AUTHENTICATED),
    "POST /users/account/restore": Write(AUTHENTICATED, prepare=schedule_deletion),
    "PUT /users/avatar": Write(COUNTED, prepare=prepare_upload),
    "DELETE /users/avatar": Write(AUTHENTICATED, prepare=upload_avatar),
    "POST /users/edit": Write(AUTHENTICATED, {"first_name": "Amazing"}),
    "POST /users/email": Write(COUNTED, {"email": "hopper@example.org"}),
    "POST /users/email/verify": Write(COUNTED, prepare=request_email_change),
    "GET /users/export": Write(AUTHENTICATED),
    "POST /users/factors/totp": Write(AUTHENTICATED, {"name": "Phone"}),
    "POST /users/factors/totp/1/confirm": Write(COUNTED, prepare=start_totp),
    "PATCH /users/factors/totp/1": Write(AUTHENTICATED, {"name": "Tablet"}, add_totp),
    "DELETE /users/factors/totp/1": Write(AUTHENTICATED, prepare=add_totp),
    "POST /users/factors/recovery-codes": Write(AUTHENTICATED, prepare=turn_mfa_on),
    "PUT /users/factors/mfa": Write(AUTHENTICATED, {"enabled": False}, turn_mfa_on),
    "DELETE /users/factors/remembered": Write(AUTHENTICATED),
    "POST /users/factors/passkeys/options": Write(AUTHENTICATED, {"kind": "passkey"}),
    "POST /users/factors/passkeys": Write(AUTHENTICATED, prepare=create_passkey),
    "PATCH /users/factors/passkeys/1": Write(AUTHENTICATED, {"name": "Tablet"}, add_passkey),
    "DELETE /users/factors/passkeys/1": Write(AUTHENTICATED, prepare=add_passkey),
    "DELETE /users/password": Write(AUTHENTICATED, prepare=sign_in_with_one_of_two_passkeys),
}


@ON_SQLITE
def test_every_write_of_a_session_is_listed(app: Flask) -> None:
    guarded = {str(route) for route in all_routes(app) if route.access in {"guarded", "optional"}}
    reads = {route for route in guarded if route.startswith("GET ")} - {"GET /users/export"} | {OPTIONS}

    assert set(WRITES) | {LOGOUT} == guarded - reads


@ON_SERVERS
@pytest.mark.parametrize("route", WRITES)
def test_write_after_sign_out_is_rejected(app: Flask, route: str) -> None:
    write_after_sign_out(app, route)


@ON_SQLITE
@pytest.mark.parametrize("route", ["DELETE /users/account", "POST /users/email"])
def test_sqlite_write_after_sign_out_is_rejected(app: Flask, route: str) -> None:
    write_after_sign_out(app, route)


def write_after_sign_out(app: Flask, route: str) -> None:
    session, write = SessionClient.for_new_user(app), WRITES[route]
    arguments = write.prepare(app, session)
    method, path = route.split()
    arguments = {"path": path, "method": method, "json": write.body, "headers": bearer(session.token), **arguments}
    tables = table_contents(app, CHANGED_TABLES)
    sign_out = partial(app.test_client().post, "/auth/logout", json={"refresh_token": session.refresh_token})
    response, sign_out_response = run_interleaved(
        app, write.pause_point, partial(app.test_client().open, **arguments), sign_out
    )

    assert sign_out_response.status_code == 200
    assert error_of(response) == INVALID_TOKEN
    assert table_contents(app, CHANGED_TABLES) == tables


@ON_SERVERS
@pytest.mark.parametrize("revocation", ["revert email change", "report sign-in"])
def test_deletion_after_revocation_is_rejected(account: ActiveAccount, revocation: str) -> None:
    revoke = REVOCATIONS[revocation](account)
    delete = partial(delete_account, account.app.test_client(), account.other_session.token)
    response, revoke_response = run_interleaved(account.app, AUTHENTICATED, delete, revoke)

    assert (error_of(response), revoke_response.status_code) == (INVALID_TOKEN, 200)
    assert travel_and_erase(account.app) == 0
