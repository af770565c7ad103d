"""A mailed link reverts an email change once, within 7 days, and revokes all other access."""

from datetime import timedelta
from functools import partial

from flask import Flask
from sqlalchemy import select
from tests.account_deletion.helpers import delete_account, travel_and_erase
from tests.email_change.helpers import INVALID_TOKEN, NEW_EMAIL, RequestedChange, change_email, login_status
from tests.registration.helpers import GRACE_EMAIL, INVALID_CODE, register, start_registration, verify
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import error_of, in_transaction, query_all, run_concurrently, single_event
from tests.support.users import OTHER_IP, PASSWORD, Mailbox, UserFactory, code_in_mail

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.email_addresses import parse
from flaskauth.one_time_codes.models import EmailLink, OneTimeCode
from flaskauth.user_admin import service as user_admin

NEW_PASSWORD = "nine purple umbrellas"


def reset_and_login(app: Flask, users: UserFactory, email: str, password: str = NEW_PASSWORD) -> int:
    """Set a new password with a mailed code and return the status of a login with it."""
    wait_for_outbox(app)
    reset_id = users.client.post("/auth/forgot-password", json={"email": email}).get_json()["reset_id"]
    wait_for_outbox(app)
    mails = (mail for mail in users.mailbox.all() if mail["to"] == email)
    code = code_in_mail(next(mail for mail in mails if "Reset your password" in mail["subject"]))
    body = {"otp": code, "reset_id": reset_id, "password": password}
    assert users.client.post("/auth/reset-password", json=body).status_code == 200
    return login_status(users, email, password)


def test_revert_restores_email_and_requires_password_reset(app: Flask, users: UserFactory) -> None:
    change = change_email(app)
    response = change.revert_link.follow(users.client)

    assert response.status_code == 200
    assert change.session_client.is_logged_out()
    assert (login_status(users, GRACE_EMAIL), login_status(users, NEW_EMAIL)) == (401, 401)
    assert reset_and_login(app, users, GRACE_EMAIL) == 200
    assert single_event(app, "email_change_reverted").user_id


def test_revert_before_confirmation_cancels_the_change(app: Flask, users: UserFactory) -> None:
    change = RequestedChange.request(app, SessionClient.for_new_user(app))
    assert change.revert_link.follow(users.client).status_code == 200
    assert reset_and_login(app, users, GRACE_EMAIL) == 200
    change.session_client.tokens = users.client.post(
        "/auth/login", json={"email": GRACE_EMAIL, "password": NEW_PASSWORD}
    ).get_json()

    assert error_of(change.confirm()) == INVALID_CODE


def test_revert_cancels_pending_email_changes(app: Flask, users: UserFactory) -> None:
    first = change_email(app)
    RequestedChange.request(app, first.session_client, "mallory@example.net", NEW_EMAIL)
    assert first.revert_link.follow(users.client).status_code == 200

    assert not any(code.is_usable for code in query_all(app, select(OneTimeCode).where(OneTimeCode.purpose == "email")))


def test_revert_keeps_deletion_of_disabled_user(app: Flask, users: UserFactory) -> None:
    change = change_email(app)
    delete_account(users.client, change.session_client.token)
    assert in_transaction(app, lambda: user_admin.disable(parse(NEW_EMAIL)))
    assert change.revert_link.follow(users.client).status_code == 200

    assert [user.deletion_due_at is not None for user in query_all(app, select(User))] == [True]


def test_revert_link_is_single_use_in_a_burst(app: Flask) -> None:
    change = change_email(app)
    responses = run_concurrently([partial(change.revert_link.follow, app.test_client()) for _ in range(8)])

    assert sorted(response.status_code for response in responses) == [200] + [401] * 7
    assert error_of(change.revert_link.follow(app.test_client())) == INVALID_TOKEN


def test_revert_link_expires_after_seven_days(app: Flask, users: UserFactory) -> None:
    change = change_email(app)
    clock.travel(timedelta(days=7) - timedelta(minutes=1))
    later_change = change_email(app, "ada@example.org", "ada@example.com")
    clock.travel(timedelta(minutes=2))

    assert error_of(change.revert_link.follow(users.client)) == INVALID_TOKEN
    assert later_change.revert_link.follow(users.client).status_code == 200


def test_revert_cancels_later_change_and_its_link(app: Flask, users: UserFactory) -> None:
    """An attacker changes the email address twice: the first owner's link works, the attacker's link does not."""
    first = change_email(app)
    second = RequestedChange.request(app, first.session_client, "mallory@example.net", NEW_EMAIL)
    assert second.confirm().status_code == 200
    assert first.revert_link.follow(users.client).status_code == 200

    assert error_of(second.revert_link.follow(users.client)) == INVALID_TOKEN
    assert reset_and_login(app, users, GRACE_EMAIL) == 200


def test_earlier_revert_link_stays_valid_after_a_later_one(app: Flask, users: UserFactory) -> None:
    first = change_email(app)
    second = RequestedChange.request(app, first.session_client, "mallory@example.net", NEW_EMAIL)
    assert second.revert_link.follow(users.client).status_code == 200

    assert first.revert_link.follow(users.client).status_code == 200
    assert [user.email for user in query_all(app, select(User))] == [GRACE_EMAIL]


def test_revert_invalidates_password_set_by_attacker(app: Flask, users: UserFactory) -> None:
    change = change_email(app)
    assert reset_and_login(app, users, NEW_EMAIL, "eleven blue lanterns") == 200
    assert change.revert_link.follow(users.client).status_code == 200

    assert login_status(users, GRACE_EMAIL, "eleven blue lanterns") == 401


def test_revert_cancels_later_account_deletion(app: Flask, users: UserFactory) -> None:
    change = change_email(app)
    assert delete_account(users.client, change.session_client.token).status_code == 200
    assert change.revert_link.follow(users.client).status_code == 200
    assert reset_and_login(app, users, GRACE_EMAIL) == 200

    assert travel_and_erase(app) == 0
    assert login_status(users, GRACE_EMAIL, NEW_PASSWORD) == 200


def test_revert_notifies_the_restored_email(app: Flask, users: UserFactory, mailbox: Mailbox) -> None:
    change = change_email(app)
    change.revert_link.follow(users.client, at=OTHER_IP)
    mail = mailbox.wait(to=GRACE_EMAIL)[0]

    assert (mail["to"], mail["subject"]) == (GRACE_EMAIL, "Your account on flaskauth was secured")
    assert OTHER_IP in mail["text"]


def test_revert_releases_the_attacker_email(app: Flask, users: UserFactory) -> None:
    change_email(app).revert_link.follow(users.client)

    registration = start_registration(users, NEW_EMAIL)
    assert verify(users.client, registration.code).status_code == 200


def test_revert_link_cannot_report_a_sign_in(app: Flask, users: UserFactory) -> None:
    change = change_email(app)
    response = users.client.post("/auth/report-sign-in", json={"token": change.revert_link.token})

    assert error_of(response) == INVALID_TOKEN
    assert change.revert_link.follow(users.client).status_code == 200


def test_invalid_revert_link_changes_nothing(app: Flask, users: UserFactory) -> None:
    change = change_email(app)
    for token in (change.revert_link.token[:-1], change.revert_link.token + "A", "x", change.revert_link.token.lower()):
        assert error_of(users.client.post("/auth/revert-email-change", json={"token": token})) == INVALID_TOKEN

    assert change.session_client.profile_status() == 200


def test_revert_token_is_not_stored(app: Flask) -> None:
    change = change_email(app)
    for row in query_all(app, select(EmailLink)):
        assert change.revert_link.token not in repr(vars(row))


def test_registration_meanwhile_does_not_block_revert(app: Flask, users: UserFactory) -> None:
    change = change_email(app)
    register(users.client, GRACE_EMAIL, OTHER_IP, password=PASSWORD + "!")
    assert change.revert_link.follow(users.client).status_code == 200

    assert [user.email for user in query_all(app, select(User))] == [GRACE_EMAIL]
