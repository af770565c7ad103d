"""POST /auth/passkeys: what signs in, and what is rejected with the same response."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from tests.login.helpers import FIXED_REQUEST_ID
from tests.passkeys.client import PasskeyUser, passkey_login, sign_in_options, sign_in_with
from tests.support.inspect import (
    audit_events,
    error_of,
    execute_statement,
    hash_count,
    query_all,
    single_event,
    statement_counts,
)
from tests.support.soft_authenticator import BE, BS, EDDSA, ES256, RS256, UP, UV, Json, SoftAuthenticator
from tests.support.users import Mailbox, bearer

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.crypto import base64url_decode, base64url_encode
from flaskauth.mail.models import OutboxMail
from flaskauth.mfa.models import Passkey
from flaskauth.sessions.models import Session

INVALID = (401, "invalid_credentials")


def stored(app: Flask) -> Passkey:
    [passkey] = query_all(app, select(Passkey))
    assert isinstance(passkey, Passkey)
    return passkey


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
def test_passkey_signs_in_without_email_address(grace: PasskeyUser, app: Flask, algorithm: int) -> None:
    authenticator = grace.add(SoftAuthenticator(algorithm, flags=UP | UV | BE))
    authenticator.flags |= BS
    response = sign_in_with(grace.client, authenticator)
    body = response.get_json()
    passkey = stored(app)

    assert response.status_code == 200, response.text
    assert (body["user"]["email"], passkey.backed_up) == (grace.user.email, True)
    assert passkey.last_used_at is not None
    assert grace.client.get("/users/profile", headers=bearer(body["token"])).status_code == 200
    assert query_all(app, select(Session.amr).order_by(Session.id))[-1] == "swk user mfa"


def test_passkey_sign_in_is_fresh_and_needs_no_second_factor(grace: PasskeyUser, app: Flask) -> None:
    authenticator = grace.add(enable_mfa=True)
    body = sign_in_with(grace.client, authenticator).get_json()

    assert grace.client.delete("/auth/sessions", headers=bearer(body["token"])).status_code == 200
    assert audit_events(app, "sign_in")[-1].details == {"amr": "hwk user mfa"}


def test_passkey_sign_in_keeps_the_recognised_device(grace: PasskeyUser) -> None:
    authenticator = grace.add()
    device_token = sign_in_with(grace.client, authenticator).get_json()["device_token"]
    credential = authenticator.get(sign_in_options(grace.client))

    response = passkey_login(grace.client, credential, device_token=device_token)
    assert response.get_json()["device_token"] == device_token


def test_passkey_sign_in_options_name_no_credential(grace: PasskeyUser) -> None:
    grace.add()
    options = sign_in_options(grace.client)

    assert (options["allowCredentials"], options["userVerification"]) == ([], "required")
    assert options["rpId"] == "localhost"
    assert options["challenge"] != sign_in_options(grace.client)["challenge"]


def test_passkey_assertion_used_twice_is_rejected(grace: PasskeyUser) -> None:
    authenticator = grace.add()
    credential = authenticator.get(sign_in_options(grace.client))

    assert passkey_login(grace.client, credential).status_code == 200
    assert error_of(passkey_login(grace.client, credential)) == INVALID
    assert sign_in_with(grace.client, authenticator).status_code == 200


def test_passkey_challenge_after_five_minutes_is_rejected(grace: PasskeyUser) -> None:
    authenticator = grace.add()
    credential = authenticator.get(sign_in_options(grace.client))
    clock.travel(timedelta(minutes=5, seconds=1))

    assert error_of(passkey_login(grace.client, credential)) == INVALID


def other_purpose(grace: PasskeyUser, authenticator: SoftAuthenticator) -> Json:
    challenge = grace.creation_options()["challenge"]
    return authenticator.get({**sign_in_options(grace.client), "challenge": challenge})


def altered_challenge(grace: PasskeyUser, authenticator: SoftAuthenticator) -> Json:
    options = sign_in_options(grace.client)
    challenge = bytearray(base64url_decode(options["challenge"]))
    challenge[20] ^= 1  # the expiry
    return authenticator.get({**options, "challenge": base64url_encode(bytes(challenge))})


def changed(**attributes: Any) -> Callable[[PasskeyUser, SoftAuthenticator], Json]:
    def build(grace: PasskeyUser, authenticator: SoftAuthenticator) -> Json:
        for name, value in attributes.items():
            setattr(authenticator, name, value)
        return authenticator.get(sign_in_options(grace.client))

    return build


REJECTED: dict[str, Callable[[PasskeyUser, SoftAuthenticator], Json]] = {
    "other purpose": other_purpose,
    "altered": altered_challenge,
    "origin with slash": changed(origin="http://localhost:5000/"),
    "origin with other port": changed(origin="http://localhost:5001"),
    "origin in upper case": changed(origin="HTTP://LOCALHOST:5000"),
    "origin of a subdomain": changed(origin="http://app.localhost:5000"),
    "origin null": changed(origin="null"),
    "other RP ID": changed(rp_id="example.com"),
    "no user presence": changed(flags=UV),
    "no user verification": changed(flags=UP),
    "backed up, not eligible": changed(flags=UP | UV | BS),
    "backup eligibility changed": changed(flags=UP | UV | BE),
    "handle of another user": changed(user_handle=bytes(32)),
    "no handle": changed(user_handle=None),
    "unknown credential": changed(credential_id=b"unknown"),
    "another key": changed(sign=SoftAuthenticator().sign),
    "garbage": lambda _grace, _authenticator: {"id": 7},
}


@pytest.mark.parametrize("case", REJECTED)
def test_passkey_assertion_with_fault_is_rejected(grace: PasskeyUser, app: Flask, case: str) -> None:
    authenticator = grace.add()
    sessions = len(query_all(app, select(Session.id)))
    response = passkey_login(grace.client, REJECTED[case](grace, authenticator))

    assert error_of(response) == INVALID
    assert len(query_all(app, select(Session.id))) == sessions
    assert len(audit_events(app, "sign_in_failed")) == 1


def test_passkey_of_one_user_with_handle_of_another_is_rejected(grace: PasskeyUser, other: PasskeyUser) -> None:
    authenticator, others = grace.add(), other.add()
    authenticator.user_handle = others.user_handle

    assert error_of(sign_in_with(grace.client, authenticator)) == INVALID


def test_security_key_cannot_sign_in(grace: PasskeyUser) -> None:
    authenticator = grace.add(kind="security_key")

    assert error_of(sign_in_with(grace.client, authenticator)) == INVALID


@pytest.mark.parametrize(("count", "is_valid_signature", "alarms"), [(7, True, 1), (3, True, 1), (3, False, 0)])
def test_passkey_counter_that_does_not_increase_is_rejected(
    grace: PasskeyUser, app: Flask, count: int, is_valid_signature: bool, alarms: int
) -> None:
    authenticator = grace.add(SoftAuthenticator(sign_count=7), name="YubiKey")
    authenticator.sign_count = count
    if not is_valid_signature:
        authenticator.sign = SoftAuthenticator().sign
    response = passkey_login(grace.client, authenticator.get(sign_in_options(grace.client)))

    assert error_of(response) == INVALID
    assert stored(app).sign_count == 7
    assert len(audit_events(app, "passkey_counter_regressed")) == alarms
    mails = query_all(app, select(OutboxMail).filter_by(template="passkeys/counter_regressed"))
    assert [mail.context["name"] for mail in mails] == ["YubiKey"] * alarms


def test_passkey_copy_is_recorded_and_mailed(grace: PasskeyUser, app: Flask, mailbox: Mailbox) -> None:
    authenticator = grace.add(SoftAuthenticator(sign_count=7), name="YubiKey")
    passkey_login(grace.client, authenticator.get(sign_in_options(grace.client)))
    mails = {mail["subject"]: mail["text"] for mail in mailbox.wait(2, to=grace.user.email)}

    assert single_event(app, "passkey_counter_regressed").user_id == stored(app).user_id
    assert "/auth/report-sign-in#" in mails["We rejected a passkey or security key on flaskauth"]


def test_passkey_counter_increases_or_stays_zero(grace: PasskeyUser, app: Flask) -> None:
    counting, zero = grace.add(SoftAuthenticator(sign_count=1)), grace.add(SoftAuthenticator())

    assert [sign_in_with(grace.client, key).status_code for key in (counting, zero, counting, zero)] == [200] * 4
    assert sorted(query_all(app, select(Passkey.sign_count))) == [0, 3]


@pytest.mark.parametrize(
    "state",
    [{"disabled_at": clock.now()}, {"reset_required": True}, {"is_verified": False}],
    ids=lambda state: next(iter(state)),
)
def test_passkey_of_user_who_cannot_sign_in_is_rejected(grace: PasskeyUser, app: Flask, state: Json) -> None:
    authenticator = grace.add()
    execute_statement(app, update(User).values(**state))

    assert error_of(sign_in_with(grace.client, authenticator)) == INVALID


def test_passkey_of_closing_account_signs_in_as_a_password_does(grace: PasskeyUser) -> None:
    authenticator = grace.add()
    assert grace.client.delete("/users/account", headers=grace.headers).status_code == 200
    token = sign_in_with(grace.client, authenticator).get_json()["token"]

    assert error_of(grace.client.delete("/auth/sessions", headers=bearer(token))) == (403, "forbidden")
    assert grace.client.post("/users/account/restore", headers=bearer(token)).status_code == 200


def test_unknown_and_existing_passkey_cost_the_same(grace: PasskeyUser, app: Flask) -> None:
    authenticator = grace.add()
    authenticator.sign = SoftAuthenticator().sign
    results = []
    for credential_id in (authenticator.credential_id, b"unknown" * 4):
        authenticator.credential_id = credential_id
        credential = authenticator.get(sign_in_options(grace.client))
        hashes = hash_count(app)
        with statement_counts(app) as statements:
            response = grace.client.post("/auth/passkeys", json={"credential": credential}, headers=FIXED_REQUEST_ID)
        headers = [header for header in response.headers if header[0] != "Date"]
        results.append((response.status_code, response.data, headers, statements, hash_count(app) - hashes))

    assert results[0] == results[1]
    assert error_of(response) == INVALID
    assert (sum(statements.values()), results[0][-1]) == (3, 0)
