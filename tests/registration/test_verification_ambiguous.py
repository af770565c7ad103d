"""Pending registrations of different clients for one email address: the code decides which one becomes the account."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from tests.registration.helpers import (
    GRACE_EMAIL,
    INVALID_CODE,
    VERIFICATION_AMBIGUOUS,
    VERIFICATION_METHODS,
    WRONG_CODE,
    PendingRegistration,
    register,
    resend,
    start_registration,
    submit_wrong_codes,
    verify,
)
from tests.support.db_snapshot import sent_mail_count
from tests.support.inspect import error_of, execute_statement, in_transaction, query_all, run_concurrently
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, TestUser, UserFactory

from flaskauth.accounts.models import User
from flaskauth.core import clock, crypto
from flaskauth.core.db.session import db
from flaskauth.mail import rate_limits as mail_limits
from flaskauth.one_time_codes import derivation
from flaskauth.one_time_codes.models import OneTimeCode
from flaskauth.registration.models import Registration

ATTACKER_PASSWORD = "eleven blue lanterns"
# Two rows whose codes are equal under the tests' secret, found by a search over a million nonces for each.
COLLIDING_ROWS = {b"twin number one.": 975_202, b"twin number two.": 273_637}


def register_twice(users: UserFactory) -> tuple[PendingRegistration, PendingRegistration]:
    """Start the user's registration and an attacker's registration for the same email address."""
    return start_registration(users), start_registration(
        users, at=OTHER_IP, password=ATTACKER_PASSWORD, first_name="Mallory"
    )


def login_status(client: FlaskClient, password: str) -> int:
    return TestUser(client, GRACE_EMAIL).login(password).status_code


@pytest.mark.parametrize("method", ["by email", "by code"])
def test_verify_without_id_is_ambiguous_for_two_registrations(users: UserFactory, method: str) -> None:
    registration, attacker_registration = register_twice(users)

    assert submit_wrong_codes(users.client, 1, **registration.identifier(method)) == [401]
    assert (
        error_of(verify(users.client, registration.code, **registration.identifier(method))) == VERIFICATION_AMBIGUOUS
    )
    assert (
        error_of(verify(users.client, attacker_registration.code, **registration.identifier(method)))
        == VERIFICATION_AMBIGUOUS
    )


def exhaust_daily_mails(app: Flask) -> None:
    in_transaction(app, lambda: [reserve_mail(f"network {number}") for number in range(20)])


def exhaust_mails_of_address_and_network(app: Flask) -> None:
    in_transaction(app, lambda: [reserve_mail(CLIENT_IP) for _ in range(3)])


def exhaust_mails_of_network(app: Flask) -> None:
    in_transaction(app, lambda: [reserve_mail(CLIENT_IP, f"{number}@example.net") for number in range(60)])


def reserve_mail(network: str, email: str = GRACE_EMAIL) -> bool:
    return mail_limits.reserve(email, network, is_recognised=False)


@pytest.mark.parametrize("method", ["by email", "by code"])
@pytest.mark.parametrize(
    "exhaust", [exhaust_daily_mails, exhaust_mails_of_address_and_network, exhaust_mails_of_network]
)
def test_suppressed_mail_makes_the_attackers_code_ambiguous(
    app: Flask, users: UserFactory, exhaust: Callable[[Flask], None], method: str
) -> None:
    """An attacker uses up the mails, so that the user receives and enters only the attacker's code."""
    attacker_registration = start_registration(users, at=OTHER_IP, password=ATTACKER_PASSWORD)
    exhaust(app)
    assert register(users.client).status_code == 200

    clock.travel(timedelta(minutes=9))
    identifier = attacker_registration.identifier(method)
    response = verify(users.client, attacker_registration.code, **identifier)
    assert error_of(response) == VERIFICATION_AMBIGUOUS
    assert "verification_id" in response.get_json()["message"]
    assert error_of(verify(users.client, WRONG_CODE, **identifier)) == INVALID_CODE
    assert login_status(users.client, ATTACKER_PASSWORD) == 401


@pytest.mark.parametrize("minutes", [1, 16])
def test_suppressed_resend_makes_the_attackers_code_ambiguous(app: Flask, users: UserFactory, minutes: int) -> None:
    """The user's own code has expired, and no further mail is due or allowed. The attacker registers afterwards."""
    registration = start_registration(users)
    clock.travel(timedelta(minutes=10))
    if minutes == 1:
        exhaust_mails_of_address_and_network(app)
    else:
        resend(users.client, verification_id=registration.id)
        clock.travel(timedelta(minutes=10))
        execute_statement(app, update(OneTimeCode).values(resend_at=clock.now() + timedelta(minutes=minutes)))
    resend(users.client, verification_id=registration.id)
    attacker_registration = start_registration(users, at=OTHER_IP, password=ATTACKER_PASSWORD)

    assert error_of(verify(users.client, attacker_registration.code)) == VERIFICATION_AMBIGUOUS
    assert login_status(users.client, ATTACKER_PASSWORD) == 401


def test_suppressed_registration_is_candidate_for_24_hours(app: Flask, users: UserFactory) -> None:
    in_transaction(app, lambda: [reserve_mail(OTHER_IP) for _ in range(3)])
    register(users.client, at=OTHER_IP, password=ATTACKER_PASSWORD)
    registration = start_registration(users)
    assert error_of(verify(users.client, registration.code)) == VERIFICATION_AMBIGUOUS
    clock.travel(timedelta(hours=24))
    renewed = start_registration(users)

    assert verify(users.client, renewed.code).status_code == 200


@pytest.mark.parametrize("first", [0, 1])
def test_verify_by_id_creates_account_with_own_password(users: UserFactory, first: int) -> None:
    registrations = register_twice(users)
    assert verify(users.client, registrations[first].code, verification_id=registrations[first].id).status_code == 200

    assert [login_status(users.client, password) for password in (PASSWORD, ATTACKER_PASSWORD)] == [
        [200, 401],
        [401, 200],
    ][first]
    other = registrations[1 - first]
    assert [
        error_of(verify(users.client, other.code, **other.identifier(method))) for method in VERIFICATION_METHODS
    ] == [INVALID_CODE] * 3


def test_verify_ignores_data_of_other_registration(users: UserFactory) -> None:
    start_registration(users, at=OTHER_IP, password=ATTACKER_PASSWORD, first_name="Mallory", country="KP", locale="ko")
    registration = start_registration(users)
    assert verify(users.client, registration.code, verification_id=registration.id).status_code == 200

    assert login_status(users.client, ATTACKER_PASSWORD) == 401
    user = TestUser(users.client, GRACE_EMAIL).login_ok()["user"]
    assert (user["first_name"], user["country"]) == ("Grace", None)


def test_superseded_registration_prevents_enumeration(users: UserFactory) -> None:
    """Otherwise an attacker could detect when an email address becomes an account."""
    attacker_registration = start_registration(users, at=OTHER_IP, password=ATTACKER_PASSWORD)
    untouched = start_registration(users, "ada@example.com", at=OTHER_IP, password=ATTACKER_PASSWORD)
    registration = start_registration(users)
    assert verify(users.client, registration.code, verification_id=registration.id).status_code == 200

    registrations = (attacker_registration, untouched)
    responses = [
        register(users.client, registration.email, OTHER_IP, password=ATTACKER_PASSWORD).get_json()
        for registration in registrations
    ]
    assert [body["verification_id"] for body in responses] == [registration.id for registration in registrations]
    clock.travel(timedelta(seconds=60))
    before = sent_mail_count(users.client.application)
    assert [resend(users.client, OTHER_IP, verification_id=registration.id) for registration in registrations] == [
        120,
        120,
    ]
    assert sent_mail_count(users.client.application) == before + 1
    for registration in registrations:
        assert submit_wrong_codes(users.client, 6, OTHER_IP, verification_id=registration.id) == [401] * 5 + [429]


def test_expired_registration_causes_no_ambiguity(users: UserFactory) -> None:
    start_registration(users, at=OTHER_IP, password=ATTACKER_PASSWORD)
    clock.travel(timedelta(minutes=10))
    registration = start_registration(users)

    assert verify(users.client, registration.code).status_code == 200


def test_concurrent_verifications_create_one_account(app: Flask, users: UserFactory) -> None:
    registrations = register_twice(users)
    uses = [partial(verify, app.test_client(), each.code, verification_id=each.id) for each in registrations * 4]
    statuses = [response.status_code for response in run_concurrently(uses)]

    assert statuses.count(200) == 1
    assert set(statuses) == {200, 401}
    assert len(query_all(app, select(User))) == 1


def test_verify_by_code_rejects_colliding_codes(app: Flask, users: UserFactory) -> None:
    """The server cannot tell which registration is meant. Codes collide in one of 280,000,000,000 pairs."""
    grace, ada = start_registration(users), start_registration(users, "ada@example.com")
    code, other_code = (
        assign_colliding_code(app, registration, twin_id)
        for registration, twin_id in zip((grace, ada), COLLIDING_ROWS, strict=True)
    )
    assert code == other_code

    assert error_of(verify(users.client, code)) == INVALID_CODE
    assert verify(users.client, code, email=ada.email).status_code == 200
    assert verify(users.client, code).status_code == 200


def assign_colliding_code(app: Flask, registration: PendingRegistration, twin_id: bytes) -> str:
    """Give a registration the id of one of the colliding rows and return its code."""
    current_id = crypto.base64url_decode(registration.id)
    execute_statement(app, update(Registration).where(Registration.id == current_id).values(id=twin_id))
    execute_statement(app, update(OneTimeCode).where(OneTimeCode.id == current_id).values(id=twin_id))
    return in_transaction(app, lambda: _set_nonce(twin_id))


def _set_nonce(twin_id: bytes) -> str:
    row = db.session.get_one(OneTimeCode, twin_id)
    row.nonce = COLLIDING_ROWS[twin_id].to_bytes(32, "big")
    [code] = derivation.candidate_codes(row)
    row.lookup = derivation.lookup_digests(row.purpose, code)[0]
    return code
