"""Registration is idempotent: the same email address and password return the same pending registration."""

import time
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.registration.helpers import register, start_registration, submit_wrong_codes, unused_ip, verify
from tests.support.db_snapshot import sent_mail_count
from tests.support.inspect import query_all, run_concurrently
from tests.support.users import PASSWORD, Mailbox, UserFactory
from werkzeug.test import TestResponse

from flaskauth.core import clock
from flaskauth.registration.models import Registration


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
    requests = [partial(register_until_served, app.test_client(), unused_ip()) for _ in range(12)]

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
