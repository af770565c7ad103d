"""Many users behind one address (a school, an office) do not reach the default limits.

Limits that depend only on the number of requests are in `tests/docs/test_docs_limits.py`.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.login.helpers import WRONG_PASSWORD
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import in_transaction, query_all
from tests.support.users import (
    CLIENT_IP,
    OTHER_IP,
    PASSWORD,
    TestUser,
    UserFactory,
    code_in_mail,
    forwarded_for,
    registration_form,
)
from werkzeug.test import TestResponse

from flaskauth.accounts import service as accounts
from flaskauth.mail.models import SENT, OutboxMail

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

SCHOOL_CLASS = [f"pupil{number}@example.org" for number in range(40)]
OFFICE = 40


class Crowd:
    """Users behind one address. Each request must succeed."""

    def __init__(self, client: FlaskClient, at: str = CLIENT_IP) -> None:
        self.client, self.headers = client, forwarded_for(at)

    def post(self, path: str, body: dict[str, str]) -> TestResponse:
        response = self.client.post(path, json=body, headers=self.headers)
        assert response.status_code == 200, (path, response.text)
        return response


def test_school_class_registers_and_signs_in_within_a_minute(app: Flask, users: UserFactory) -> None:
    crowd = Crowd(users.client)
    ids = {
        email: crowd.post("/auth/register", registration_form(email)).get_json()["verification_id"]
        for email in SCHOOL_CLASS
    }
    wait_for_outbox(app)
    codes = {mail["to"]: code_in_mail(mail) for mail in users.mailbox.all()}
    for number, email in enumerate(SCHOOL_CLASS):
        identifier = ({"verification_id": ids[email]}, {"email": email}, {})[number % 3]
        crowd.post("/auth/verify", {"otp": codes[email], **identifier})
    for email in SCHOOL_CLASS:
        crowd.post("/auth/login", {"email": email, "password": PASSWORD})
        crowd.post("/auth/forgot-password", {"email": email})

    wait_for_outbox(app)
    assert len(query_all(app, select(OutboxMail).where(OutboxMail.state == SENT))) == 80


def test_office_signs_in_with_some_wrong_passwords_first(app: Flask, users: UserFactory) -> None:
    users.create_verified(at=OTHER_IP)
    in_transaction(app, copy_accounts)

    for number in range(OFFICE):
        user, address = TestUser(users.client, f"user{number}@example.com"), f"2001:db8:5:5::{number}"
        if number % 2:
            assert user.login(WRONG_PASSWORD, at=address).status_code == 401
        assert user.login(at=address).status_code == 200


def test_class_that_signs_in_concurrently_needs_under_a_minute(app: Flask, users: UserFactory) -> None:
    """A client that is rejected with 503 waits for `Retry-After` and repeats the request, as documented."""
    users.create_verified(at=OTHER_IP)
    in_transaction(app, copy_accounts)
    waiting = [TestUser(app.test_client(), f"user{number}@example.com") for number in range(OFFICE)]
    seconds = 0
    with ThreadPoolExecutor(OFFICE) as threads:
        while waiting and seconds < 60:
            responses = list(threads.map(lambda user: user.login(at=CLIENT_IP), waiting))
            assert {response.status_code for response in responses} <= {200, 503}
            pairs = zip(waiting, responses, strict=True)
            rejected = [(user, response) for user, response in pairs if response.status_code == 503]
            seconds += max((int(response.headers["Retry-After"]) for _, response in rejected), default=0)
            waiting = [user for user, _ in rejected]

    assert waiting == []


def copy_accounts() -> None:
    source = accounts.find_by_email("grace@example.com")
    fields = {
        name: getattr(source, name) for name in ("password_hash", "first_name", "last_name", "country_id", "locale")
    }
    for number in range(OFFICE):
        email = f"user{number}@example.com"
        accounts.create(email=email, normalized_email=email, **fields)
