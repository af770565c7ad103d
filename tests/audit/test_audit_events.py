"""The audit log records each event with its user, IP, device and request id, also for rejected requests."""

import time

import pytest
from flask import Flask
from sqlalchemy import func, select
from tests.conftest import MakeApp
from tests.servers import SmtpSink
from tests.sessions.helpers import SessionClient
from tests.support.inspect import audit_events, in_transaction, query_all, single_event
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, UserFactory, forwarded_for, registration_form

from flaskauth import audit
from flaskauth.audit.models import AuditEvent
from flaskauth.core.jobs import background
from flaskauth.signing_keys import service as signing_keys


def audit_log_text(app: Flask) -> str:
    """Return all values of the audit log as text."""
    events = query_all(app, select(AuditEvent))
    return " ".join(str({name: value for name, value in vars(event).items() if name[0] != "_"}) for event in events)


def test_sign_in_event_records_user_ip_agent_and_request_id(app: Flask, users: UserFactory) -> None:
    new_user = users.create_verified()
    headers = {**forwarded_for(OTHER_IP), "User-Agent": "A browser\x1b[31m " + "x" * 300, "X-Request-ID": "mine-7"}
    body = {"email": new_user.email, "password": PASSWORD}
    user = new_user.client.post("/auth/login", json=body, headers=headers).get_json()["user"]
    event = single_event(app, "sign_in")

    assert (event.user_id, event.ip, event.request_id) == (user["id"], OTHER_IP, "mine-7")
    assert event.device == ("A browser[31m " + "x" * 300)[:255]


def test_failed_login_is_recorded_for_known_and_unknown_email(app: Flask, users: UserFactory) -> None:
    users.create_verified().login("wrong")
    users.client.post(
        "/auth/login", json={"email": "unknown@example.com", "password": "x"}, headers=forwarded_for(CLIENT_IP)
    )
    known, unknown = audit_events(app, "sign_in_failed")

    assert known.user_id
    assert unknown.user_id is None


def test_register_with_taken_email_records_existing_email(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    started_event = single_event(app, "registration_started")
    users.client.post("/auth/register", json=registration_form(password="nine other blue kettles"))

    assert single_event(app, "registration_existing_email").user_id == single_event(app, "account_created").user_id
    assert started_event.user_id is None


def test_permanently_rejected_mail_is_recorded(make_app: MakeApp) -> None:
    with SmtpSink() as sink:
        sink.mode = "reject"
        app = make_app(MAIL_SERVER="127.0.0.1", MAIL_PORT=str(sink.port))
        UserFactory(app).register()
        for _ in range(500):
            if audit_events(app, "mail_rejected"):
                break
            time.sleep(0.01)

    assert single_event(app, "mail_rejected").details["reply"] == 550


def test_signing_key_creation_and_revocation_are_recorded(app: Flask) -> None:
    assert set(single_event(app, "signing_key_created").details) == {"kid"}
    with app.app_context():
        signing_keys.rotate(immediately=True)

    assert single_event(app, "signing_keys_revoked").details == {"revoked": 1}


def test_refresh_records_no_audit_event(app: Flask) -> None:
    """Refreshes are too frequent; the session stores the time of the last one."""
    session = SessionClient.for_new_user(app)
    app.extensions[background.KEY].stop()
    [count_before] = query_all(app, select(func.count()).select_from(AuditEvent))
    session.refresh()

    assert query_all(app, select(func.count()).select_from(AuditEvent)) == [count_before]


def test_audit_log_contains_no_secrets(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    user.login("a wrong guess")
    tokens = user.login_ok()
    log_text = audit_log_text(app)

    for secret in (
        PASSWORD,
        "a wrong guess",
        tokens["token"],
        tokens["refresh_token"],
        tokens["device_token"],
        user.email,
    ):
        assert secret not in log_text


def test_record_with_unknown_event_name_raises(app: Flask) -> None:
    with pytest.raises(KeyError):
        in_transaction(app, lambda: audit.record("something_else"))
