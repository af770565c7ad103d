"""Disabling a user revokes sessions and codes and blocks login, and the responses do not reveal it."""

from functools import partial

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.login.helpers import FIXED_REQUEST_ID, INVALID_CREDENTIALS, LoginClient, unseen_ip
from tests.passwords.helpers import NEW_PASSWORD, forgot_password, request_reset, reset_password
from tests.registration.helpers import GRACE_EMAIL, INVALID_CODE, register
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import sent_mail_count, table_contents
from tests.support.inspect import (
    error_of,
    hash_count,
    in_transaction,
    observable_response,
    query_all,
    run_concurrently,
    single_event,
)
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, Mailbox, UserFactory, bearer, forwarded_for
from tests.user_admin.helpers import AdminCLI, CommandResult, user_by_email
from werkzeug.test import TestResponse

from flaskauth.accounts.models import EmailChange, User
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.core.ids import new_secret_id
from flaskauth.one_time_codes import service as codes

DISABLED_MESSAGE = "The user is disabled and all sessions are revoked.\n"
COMMANDS = ("show", "disable", "enable")


def disable_grace(admin_cli: AdminCLI) -> None:
    assert admin_cli.run("disable", GRACE_EMAIL) == CommandResult(0, DISABLED_MESSAGE, "")


def disable_and_respond(admin_cli: AdminCLI, client: FlaskClient) -> TestResponse:
    """Disable the user and return a response, so that the call can run among concurrent requests."""
    disable_grace(admin_cli)
    return client.get("/hello")


def test_login_of_disabled_user_matches_wrong_password(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    users.create_verified()
    users.create_verified("ada@example.com")
    disable_grace(admin_cli)
    before = hash_count(app)
    correct_login, failed_login = LoginClient(app).login(PASSWORD), LoginClient(app, "ada@example.com").login()

    assert error_of(correct_login) == INVALID_CREDENTIALS
    assert (
        observable_response(correct_login)
        == observable_response(failed_login)
        == observable_response(LoginClient(app, "unknown@example.com").login())
    )
    assert hash_count(app) - before == 3


def test_disable_revokes_all_sessions(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    first = SessionClient.for_new_user(app)
    second = SessionClient(users.client, user_by_email(app).login_ok(at=OTHER_IP))
    ada = SessionClient.for_new_user(app, "ada@example.com")
    disable_grace(admin_cli)

    assert first.is_logged_out()
    assert second.is_logged_out()
    assert not ada.is_logged_out()


def test_disable_removes_recognised_devices(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    token = users.create_verified().login_ok(at=CLIENT_IP)["device_token"]
    disable_grace(admin_cli)
    admin_cli.run("enable", GRACE_EMAIL)
    login_client = LoginClient(app)
    login_client.lock_email()

    assert login_client.login(PASSWORD, at=unseen_ip(), device_token=token).status_code == 429


def test_disable_revokes_concurrent_logins_and_refreshes(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    """Logins, refreshes and requests that run concurrently with `disable` leave no valid token."""
    users.create_verified()
    for _ in range(3):
        sessions = [SessionClient(users.client, user_by_email(app).login_ok(at=unseen_ip())) for _ in range(3)]
        sign_ins = [partial(user_by_email(app).login, at=unseen_ip()) for _ in range(3)]
        refreshes = [partial(session.post_refresh, session.refresh_token, unseen_ip()) for session in sessions]
        calls = [
            partial(
                app.test_client().get, "/users/profile", headers={**bearer(session.token), **forwarded_for(CLIENT_IP)}
            )
            for session in sessions
        ]
        responses = run_concurrently(
            [*sign_ins, *refreshes, *calls, partial(disable_and_respond, admin_cli, app.test_client())]
        )
        token_pairs = [response.get_json() for response in responses[:6] if response.status_code == 200]
        assert all(SessionClient(users.client, tokens).is_logged_out() for tokens in token_pairs)
        assert all(session.is_logged_out() for session in sessions)
        assert admin_cli.run("show", GRACE_EMAIL).reported_count("Active sessions") == 0
        admin_cli.run("enable", GRACE_EMAIL)


def test_forgot_password_of_disabled_user_sends_no_mail(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    users.create_verified()
    users.create_verified("ada@example.com")
    disable_grace(admin_cli)
    mails_before = sent_mail_count(app)
    responses = [
        users.client.post(
            "/auth/forgot-password", json={"email": email}, headers={**forwarded_for(CLIENT_IP), **FIXED_REQUEST_ID}
        )
        for email in (GRACE_EMAIL, "unknown@example.com")
    ]

    assert [(response.status_code, sorted(response.get_json())) for response in responses] == [
        (200, ["message", "reset_id", "status", "success"])
    ] * 2
    assert sent_mail_count(app) == mails_before
    forgot_password(users.client, "ada@example.com")
    assert sent_mail_count(app) == mails_before + 1


def test_disable_revokes_reset_codes(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    users.create_verified()
    reset = request_reset(users)
    disable_grace(admin_cli)

    assert error_of(reset_password(users.client, reset.code, reset_id=reset.id)) == INVALID_CODE


def test_enable_does_not_restore_reset_codes(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    users.create_verified()
    reset = request_reset(users)
    disable_grace(admin_cli)
    admin_cli.run("enable", GRACE_EMAIL)

    assert error_of(reset_password(users.client, reset.code, reset_id=reset.id)) == INVALID_CODE
    assert error_of(user_by_email(app).login(NEW_PASSWORD)) == INVALID_CREDENTIALS


def test_disable_cancels_pending_email_change(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    users.create_verified()
    [user_id] = query_all(app, select(User.id))
    code_id = in_transaction(app, partial(_request_email_change, user_id))
    disable_grace(admin_cli)

    assert in_transaction(app, lambda: codes.current_code(code_id)) is None


def test_register_with_email_of_disabled_user_is_a_decoy(
    app: Flask, admin_cli: AdminCLI, users: UserFactory, mailbox: Mailbox
) -> None:
    users.create_verified()
    disable_grace(admin_cli)
    assert register(users.client, at=OTHER_IP, first_name="Mallory").status_code == 200

    assert mailbox.wait(2)[0]["subject"].lower() == "you already have an account on flaskauth"


def test_enable_allows_login_but_restores_no_session(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    disable_grace(admin_cli)
    assert admin_cli.run("enable", GRACE_EMAIL) == CommandResult(0, "The user can sign in again.\n", "")

    assert session.is_logged_out()
    assert user_by_email(app).login().status_code == 200


def test_disable_and_enable_are_idempotent(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    SessionClient.for_new_user(app)
    for _ in range(2):
        admin_cli.run("disable", GRACE_EMAIL)
    assert admin_cli.run("disable", GRACE_EMAIL).stdout == "The user was already disabled.\n"
    for _ in range(2):
        admin_cli.run("enable", GRACE_EMAIL)

    assert admin_cli.run("enable", GRACE_EMAIL).stdout == "The user was not disabled.\n"
    assert single_event(app, "account_disabled").details == {"revoked": 1}
    assert single_event(app, "account_enabled").user_id


def test_show_user_hides_password_hash(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    grace = users.create_verified()
    grace.login_ok()
    [password_hash] = query_all(app, select(User.password_hash))
    result = admin_cli.run("show", "GRACE@example.com")

    lines = dict(line.strip().split("  ", 1) for line in result.stdout.splitlines())
    fields = {name: value.strip() for name, value in lines.items()}
    assert (fields["Email"], fields["Verified"], fields["Disabled"], fields["Deletion due"]) == (
        GRACE_EMAIL,
        "yes",
        "-",
        "-",
    )
    assert (fields["Active sessions"], fields["Password"]) == ("1", "argon2")
    assert fields["Last sign-in"].endswith("Z")
    assert password_hash[-20:] not in result.stdout


def test_commands_report_unknown_or_invalid_email(app: Flask, admin_cli: AdminCLI) -> None:
    before = table_contents(app)
    for command in COMMANDS:
        assert "No user has this email address." in admin_cli.run(command, "unknown@example.com").stderr
        assert "Not a valid email address." in admin_cli.run(command, "unknown").stderr

    assert table_contents(app) == before


def _request_email_change(user_id: int) -> bytes:
    code_request = codes.CodeRequest(
        "email", "new@example.com", CLIENT_IP, expires_at=clock.now() + codes.CODE_LIFETIME
    )
    code = codes.issue(code_request)
    change = EmailChange(
        id=code.id,
        user_id=user_id,
        email="new@example.com",
        normalized_email="new@example.com",
        link_id=new_secret_id(),
    )
    change.created_at = clock.now()
    db.session.add(change)
    return code.id
