"""Sign-in with a mailed code: responses, single use, expiry, limits, and what revokes a code."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from tests.conftest import MakeApp
from tests.passwords.helpers import request_reset, reset_password
from tests.registration.helpers import ATTEMPTS_EXHAUSTED, GRACE_EMAIL, INVALID_CODE, WRONG_CODE, code_for_id
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import (
    error_of,
    execute_statement,
    query_all,
    run_concurrently,
    single_event,
    statement_counts,
)
from tests.support.users import (
    CLIENT_IP,
    OTHER_IP,
    PASSWORD,
    THIRD_IP,
    Mailbox,
    UserFactory,
    code_in_mail,
    forwarded_for,
)
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.jobs import background
from flaskauth.mail.models import DISCARDED, SUPPRESSED, OutboxMail

METHODS = ("by id", "by email")


@dataclass(frozen=True)
class SignInCode:
    """A mailed code that has been read."""

    id: str
    code: str

    def identifier(self, method: str) -> dict[str, str]:
        return {"by id": {"sign_in_id": self.id}, "by email": {"email": GRACE_EMAIL}}[method]


def email_code(client: FlaskClient, email: str = GRACE_EMAIL, at: str = CLIENT_IP) -> TestResponse:
    return client.post("/auth/email-code", json={"email": email}, headers=forwarded_for(at))


def request_code(users: UserFactory, at: str = CLIENT_IP) -> SignInCode:
    """Request a code for an existing account and wait for the mail."""
    wait_for_outbox(users.client.application)
    count = len(users.mailbox.all())
    sign_in_id = email_code(users.client, at=at).get_json()["sign_in_id"]
    return SignInCode(sign_in_id, code_in_mail(users.mailbox.wait(count + 1)[0]))


def sign_in(client: FlaskClient, otp: str, at: str = CLIENT_IP, **fields: str) -> TestResponse:
    return client.post("/auth/email-code/verify", json={"otp": otp, **fields}, headers=forwarded_for(at))


def test_email_code_is_404_unless_enabled(make_app: MakeApp) -> None:
    client = make_app(EMAIL_SIGN_IN="").test_client()

    for response in (
        email_code(client),
        sign_in(client, WRONG_CODE, email=GRACE_EMAIL),
        client.post("/auth/email-code"),
    ):
        assert error_of(response) == (404, "not_found")


@pytest.mark.parametrize("method", METHODS)
def test_email_code_sign_in_returns_login_response(app: Flask, users: UserFactory, method: str) -> None:
    password_login = users.create_verified().login_ok()
    code = request_code(users)
    assert single_event(app, "sign_in_code_requested").user_id == password_login["user"]["id"]
    response = sign_in(users.client, code.code, device_token=password_login["device_token"], **code.identifier(method))

    assert response.status_code == 200, response.text
    body = response.get_json()
    assert body.keys() == password_login.keys()
    assert (body["user"], body["device_token"]) == (password_login["user"], password_login["device_token"])
    assert not SessionClient(users.client, body).is_logged_out()


def test_email_code_mail_names_network_and_time(users: UserFactory) -> None:
    users.create_verified()
    code = request_code(users, at=OTHER_IP)
    mail = users.mailbox.all()[0]

    assert (mail["to"], mail["subject"]) == (GRACE_EMAIL, f"Sign in to flaskauth: {code.code}")
    for detail in (OTHER_IP, "valid for 10 minutes"):
        assert detail in mail["text"], detail


@pytest.mark.parametrize("method", METHODS)
def test_email_code_is_single_use_and_expires(app: Flask, users: UserFactory, method: str) -> None:
    users.create_verified()
    other, used = request_code(users, at=OTHER_IP), request_code(users)
    assert error_of(sign_in(users.client, WRONG_CODE, **used.identifier(method))) == INVALID_CODE
    assert single_event(app, "invalid_code").details == {"purpose": "sign_in"}
    assert sign_in(users.client, used.code, **used.identifier(method)).status_code == 200
    for code in (used, other):
        assert error_of(sign_in(users.client, code.code, **code.identifier(method))) == INVALID_CODE

    expired = request_code(users)
    clock.travel(timedelta(minutes=10))
    assert error_of(sign_in(users.client, expired.code, **expired.identifier(method))) == INVALID_CODE


def test_email_code_and_reset_code_are_not_exchangeable(users: UserFactory) -> None:
    users.create_verified()
    code, reset = request_code(users), request_reset(users)

    for identifier in ({"email": GRACE_EMAIL}, {"sign_in_id": reset.id}):
        assert error_of(sign_in(users.client, reset.code, **identifier)) == INVALID_CODE
    for identifier in ({"email": GRACE_EMAIL}, {"reset_id": code.id}):
        assert error_of(reset_password(users.client, code.code, **identifier)) == INVALID_CODE


def test_email_code_by_id_allows_five_attempts(users: UserFactory) -> None:
    users.create_verified()
    code = request_code(users)
    statuses = [sign_in(users.client, WRONG_CODE, sign_in_id=code.id).status_code for _ in range(5)]

    assert statuses == [401] * 5
    assert error_of(sign_in(users.client, code.code, THIRD_IP, sign_in_id=code.id)) == ATTEMPTS_EXHAUSTED
    assert sign_in(users.client, code.code, email=GRACE_EMAIL).status_code == 200


@pytest.mark.parametrize("revocation", ["reset", "disable", "reset required", "unverified"])
def test_email_code_after_revocation_is_rejected(app: Flask, users: UserFactory, revocation: str) -> None:
    users.create_verified()
    code = request_code(users)
    if revocation == "reset":
        reset = request_reset(users)
        assert reset_password(users.client, reset.code, reset_id=reset.id).status_code == 200
    else:
        values: dict[str, dict[str, Any]] = {
            "disable": {"disabled_at": clock.now()},
            "reset required": {"reset_required": True},
            "unverified": {"is_verified": False},
        }
        execute_statement(app, update(User).values(**values[revocation]))

    for method in METHODS:
        assert error_of(sign_in(users.client, code.code, **code.identifier(method))) == INVALID_CODE


def test_email_code_for_unknown_email_is_never_valid(app: Flask, client: FlaskClient) -> None:
    sign_in_id = email_code(client).get_json()["sign_in_id"]
    wait_for_outbox(app)

    assert query_all(app, select(OutboxMail.state)) == [DISCARDED]
    for identifier in ({"sign_in_id": sign_in_id}, {"email": GRACE_EMAIL}):
        assert error_of(sign_in(client, code_for_id(app, sign_in_id), **identifier)) == INVALID_CODE


def test_email_code_and_reset_share_mail_rate_limit(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    app.extensions[background.KEY].stop()
    for _ in range(3):
        request = {"email": GRACE_EMAIL}
        users.client.post("/auth/forgot-password", json=request, headers=forwarded_for(OTHER_IP))
    sign_in_id = email_code(users.client, at=OTHER_IP).get_json()["sign_in_id"]

    assert query_all(app, select(OutboxMail.template).where(OutboxMail.state == SUPPRESSED)) == ["login/sign_in_code"]
    assert error_of(sign_in(users.client, code_for_id(app, sign_in_id), sign_in_id=sign_in_id)) == INVALID_CODE


def test_concurrent_use_of_one_email_code_succeeds_once(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    code = request_code(users)
    uses = [
        partial(sign_in, app.test_client(), code.code, **code.identifier(method))
        for method in METHODS
        for _ in range(5)
    ]
    counts = Counter(response.status_code for response in run_concurrently(uses))

    assert counts[200] == 1
    assert set(counts) <= {200, 401, 429, 503}


def test_email_code_sends_equal_statements_for_any_email(app: Flask, users: UserFactory) -> None:
    users.create_verified(at=OTHER_IP)
    counts = []
    for email in (GRACE_EMAIL, "unknown@example.com"):
        with statement_counts(app) as statements:
            assert email_code(app.test_client(), email).status_code == 200
        counts.append(statements)

    assert counts[0] == counts[1]


def test_email_code_sign_in_from_new_device_is_reported(users: UserFactory, mailbox: Mailbox) -> None:
    users.create_verified().login_ok()
    code = request_code(users)
    assert sign_in(users.client, code.code, OTHER_IP, sign_in_id=code.id).status_code == 200

    assert "/auth/report-sign-in#" in mailbox.wait(3, to=GRACE_EMAIL)[0]["text"]


def test_email_code_keeps_password(users: UserFactory) -> None:
    grace = users.create_verified()
    code = request_code(users)
    assert sign_in(users.client, code.code, sign_in_id=code.id).status_code == 200

    assert grace.login(PASSWORD).status_code == 200
