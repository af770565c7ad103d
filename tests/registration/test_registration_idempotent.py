"""Registration is idempotent: the same email address and password return the same pending registration."""

import time
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.registration.helpers import (
    GRACE_EMAIL,
    register,
    resend,
    start_registration,
    submit_wrong_codes,
    unused_ip,
    verify,
)
from tests.support.db_snapshot import sent_mail_count
from tests.support.inspect import in_transaction, query_all, run_concurrently
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, Mailbox, UserFactory
from werkzeug.test import TestResponse

from flaskauth.core import clock
from flaskauth.registration import pending
from flaskauth.registration.models import Registration

OTHER_PASSWORD = "eleven blue lanterns"
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def verification_id_of(response: TestResponse) -> str:
    assert response.status_code == 200, response.text
    verification_id: str = response.get_json()["verification_id"]
    return verification_id


def test_repeated_register_is_idempotent_and_sends_one_mail(app: Flask, client: FlaskClient) -> None:
    first, second = verification_id_of(register(client)), verification_id_of(register(client))

    assert first == second
    assert sent_mail_count(app) == 1


def test_repeated_register_resends_same_code_when_due(users: UserFactory, mailbox: Mailbox) -> None:
    registration = start_registration(users)
    clock.travel(timedelta(seconds=60))

    second = start_registration(users)
    assert (second.id, second.code) == (registration.id, registration.code)


def test_concurrent_registers_are_idempotent(app: Flask) -> None:
    at = unused_ip()
    requests = [partial(register_until_served, app.test_client(), at) for _ in range(12)]

    assert len(set(run_concurrently(requests))) == 1
    assert len(query_all(app, select(Registration))) == 1
    assert sent_mail_count(app) == 1


def register_until_served(client: FlaskClient, at: str) -> str:
    """Register and retry after the announced time while the server responds with 503."""
    response = register(client, at=at)
    while response.status_code == 503:
        time.sleep(response.get_json()["retry_after"])
        response = register(client, at=at)
    return verification_id_of(response)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"email": "Grace@EXAMPLE.com"}),
        ({}, {"first_name": "Gracie", "country": "NG"}),
        ({"password": "ﬁve o\u0301range kites"}, {"password": "five órange kites"}),
    ],
)
def test_register_is_idempotent_across_spellings(
    client: FlaskClient, first: dict[str, str], second: dict[str, str]
) -> None:
    assert verification_id_of(register(client, **first)) == verification_id_of(register(client, **second))


def test_repeated_register_mails_to_first_spelling(client: FlaskClient, mailbox: Mailbox) -> None:
    register(client, "Grace@example.com")
    clock.travel(timedelta(seconds=60))
    register(client, "GRACE@example.com")

    assert [mail["to"] for mail in mailbox.wait(2)] == ["Grace@example.com"] * 2


@pytest.mark.usefixtures("stopped_clock")
@ON_SQLITE
@pytest.mark.parametrize("at", [OTHER_IP, "2001:db8:0:2::1"])
def test_register_from_other_network_reveals_no_password(client: FlaskClient, at: str) -> None:
    """Otherwise the wait would tell an attacker who guesses the password of a pending registration."""
    pending_id = verification_id_of(register(client, at="2001:db8:0:1::1"))
    clock.travel(timedelta(seconds=90))
    resend(client, "2001:db8:0:1::1", verification_id=pending_id)

    guesses = [
        verification_id_of(register(client, at=at, password=password)) for password in (PASSWORD, OTHER_PASSWORD)
    ]
    assert len({pending_id, *guesses}) == 3
    for waits in (60, 60):
        assert [resend(client, at, verification_id=guess) for guess in guesses] == [waits] * 2
    assert resend(client, at, email=GRACE_EMAIL) == 60
    assert [submit_wrong_codes(client, 6, at, verification_id=guess) for guess in guesses] == [[401] * 5 + [429]] * 2
    assert resend(client, at, verification_id=pending_id) == 120


@ON_SQLITE
def test_password_guesses_from_same_network_are_limited(app: Flask, client: FlaskClient) -> None:
    pending_id = verification_id_of(register(client))
    in_transaction(app, lambda: [pending.count_comparison(GRACE_EMAIL, CLIENT_IP) for _ in range(18)])

    assert verification_id_of(register(client, password=OTHER_PASSWORD)) != pending_id
    assert verification_id_of(register(client)) != pending_id


@pytest.mark.parametrize("other", [{"password": PASSWORD + "!"}, {"email": "ada@example.com"}])
def test_register_with_other_password_or_email_is_new(client: FlaskClient, other: dict[str, str]) -> None:
    assert verification_id_of(register(client)) != verification_id_of(register(client, **other))


def test_register_after_exhausted_attempts_is_new(users: UserFactory) -> None:
    registration = start_registration(users)
    submit_wrong_codes(users.client, 5, verification_id=registration.id)
    second = start_registration(users)

    assert second.id != registration.id
    assert verify(users.client, second.code, verification_id=second.id).status_code == 200


def test_register_after_24_hours_is_new(users: UserFactory) -> None:
    registration = start_registration(users)
    clock.travel(timedelta(hours=24))
    second = start_registration(users)

    assert second.id != registration.id
    assert verify(users.client, second.code, verification_id=second.id).status_code == 200


def test_register_after_code_expiry_sends_new_code(users: UserFactory) -> None:
    registration = start_registration(users)
    clock.travel(timedelta(hours=23))
    second = start_registration(users)

    assert (second.id == registration.id, second.code == registration.code) == (True, False)
    assert verify(users.client, second.code, verification_id=second.id).status_code == 200
