"""The export of an email address's next owner contains nothing of its former owner or from before its verification."""

from datetime import timedelta

from flask import Flask
from sqlalchemy import update
from tests.email_change.helpers import RequestedChange, change_email
from tests.passwords.helpers import forgot_password
from tests.profile.test_account_export import export_json
from tests.registration.helpers import GRACE_EMAIL, register, start_registration, verify
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import execute_statement
from tests.support.users import CLIENT_IP, OTHER_IP, THIRD_IP, TestUser, UserFactory

from flaskauth.core import clock
from flaskauth.mail.models import FAILED, OutboxMail

EIGHT_DAYS = timedelta(days=8)


def leave_email_with_failed_mails(app: Flask, users: UserFactory) -> None:
    """A first owner gets mails that fail, changes the email address, and its reservation ends."""
    change_email(app)
    wait_for_outbox(app)
    execute_statement(app, update(OutboxMail).values(state=FAILED))
    clock.travel(EIGHT_DAYS)


def request_as_stranger(users: UserFactory) -> None:
    """Request a reset and a registration of the free address from a different network."""
    assert forgot_password(users.client, GRACE_EMAIL, THIRD_IP).status_code == 200
    assert register(users.client, GRACE_EMAIL, THIRD_IP, password="eleven blue lanterns").status_code == 200


def test_export_of_new_owner_omits_former_owner(app: Flask, users: UserFactory) -> None:
    leave_email_with_failed_mails(app, users)
    request_as_stranger(users)
    registration = start_registration(users, at=OTHER_IP)
    assert verify(users.client, registration.code, at=OTHER_IP, verification_id=registration.id).status_code == 200
    token = TestUser(users.client, GRACE_EMAIL).login_ok(at=OTHER_IP)["token"]
    body = export_json(users, token)

    assert [mail["template"] for mail in body["mails"]] == ["registration/verify_email"]
    assert [(code["purpose"], code["network"]) for code in body["codes"]] == [("registration", OTHER_IP)]
    assert {event["ip"] for event in body["events"]} == {OTHER_IP, CLIENT_IP}
    assert THIRD_IP not in str(body)


def test_export_after_change_to_used_email_omits_it(app: Flask, users: UserFactory) -> None:
    leave_email_with_failed_mails(app, users)
    request_as_stranger(users)
    session = SessionClient.for_new_user(app, "ada@example.com", at=OTHER_IP)
    change = RequestedChange.request(app, session, GRACE_EMAIL, "ada@example.com")
    assert change.confirm().status_code == 200
    body = export_json(users, session.token)

    # Sorted by name: the ids of mails of one millisecond are in random order.
    assert sorted(mail["template"] for mail in body["mails"]) == [
        "email_change/change_requested",
        "email_change/email_changed",
        "email_change/verify_email",
    ]
    assert [code["purpose"] for code in body["codes"]] == ["email"]
    assert THIRD_IP not in str(body)


def test_export_contains_later_requests_of_others(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    assert forgot_password(users.client, GRACE_EMAIL, THIRD_IP).status_code == 200
    body = export_json(users, session.token)

    assert {code["network"] for code in body["codes"]} == {CLIENT_IP, THIRD_IP}
