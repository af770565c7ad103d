"""A login from an unrecognised device sends an alert mail whose link reports the sign-in."""

from typing import Any

import pytest
from flask import Flask
from tests.email_change.helpers import INVALID_TOKEN, RequestedChange, find_link, login_status
from tests.registration.helpers import GRACE_EMAIL
from tests.security_alerts.test_revert_email_change import reset_and_login
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import error_of, single_event
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, THIRD_IP, Mailbox, UserFactory, forwarded_for

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)
MALICIOUS_USER_AGENTS = ("Click https://evil.example.com now/1.0", "get evil.bot now")


def login_with_browser(
    users: UserFactory, at: str = CLIENT_IP, browser: str = FIREFOX, **fields: str
) -> dict[str, Any]:
    body = {"email": GRACE_EMAIL, "password": PASSWORD, **fields}
    response = users.client.post("/auth/login", json=body, headers={**forwarded_for(at), "User-Agent": browser})
    assert response.status_code == 200, response.text
    tokens: dict[str, Any] = response.get_json()
    return tokens


def alert_mails(app: Flask) -> list[dict[str, Any]]:
    """Return the new-device alerts in the mailbox, newest first."""
    wait_for_outbox(app)
    return [mail for mail in Mailbox(app).all() if mail["subject"].startswith("New sign-in")]


def test_first_login_sends_no_alert(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_with_browser(users)

    assert alert_mails(app) == []


def test_login_from_new_device_sends_alert(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_with_browser(users)
    login_with_browser(users, OTHER_IP, SAFARI)
    [mail] = alert_mails(app)

    assert mail["to"] == GRACE_EMAIL
    for text in ("Mobile Safari (iOS)", OTHER_IP):
        assert text in mail["text"]
        assert text in mail["html"]


@pytest.mark.parametrize(("at", "browser"), [(OTHER_IP, FIREFOX), (CLIENT_IP, SAFARI)])
def test_login_from_new_browser_or_network_sends_alert(app: Flask, users: UserFactory, at: str, browser: str) -> None:
    users.create_verified()
    login_with_browser(users)
    login_with_browser(users, at, browser)

    assert len(alert_mails(app)) == 1


def test_login_from_seen_device_sends_no_alert(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    token = login_with_browser(users)["device_token"]
    login_with_browser(users)
    login_with_browser(users, THIRD_IP, SAFARI, device_token=token)

    assert alert_mails(app) == []


@pytest.mark.parametrize("user_agent", MALICIOUS_USER_AGENTS)
def test_user_agent_injection_is_left_out_of_alert(app: Flask, users: UserFactory, user_agent: str) -> None:
    users.create_verified()
    login_with_browser(users)
    login_with_browser(users, OTHER_IP, user_agent.encode().decode("latin-1"))
    [mail] = alert_mails(app)

    assert "evil" not in mail["text"] + mail["html"]
    assert "unknown" in mail["text"]


def test_report_sign_in_revokes_sessions_and_requires_reset(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    owner = SessionClient(users.client, login_with_browser(users))
    attacker = SessionClient(users.client, login_with_browser(users, OTHER_IP, SAFARI))
    other_session = SessionClient(users.client, login_with_browser(users, OTHER_IP, SAFARI))
    link = find_link(alert_mails(app)[0])
    assert link.path == "/auth/report-sign-in"
    assert link.follow(users.client).status_code == 200

    assert (attacker.is_logged_out(), other_session.is_logged_out(), owner.is_logged_out()) == (True, True, True)
    assert login_status(users, GRACE_EMAIL) == 401
    assert single_event(app, "sign_in_reported").session_id == attacker.session_id
    assert error_of(link.follow(users.client)) == INVALID_TOKEN
    assert reset_and_login(app, users, GRACE_EMAIL) == 200


def test_reported_device_is_no_longer_recognised(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_with_browser(users)
    token = login_with_browser(users, OTHER_IP, SAFARI)["device_token"]
    find_link(alert_mails(app)[0]).follow(users.client)
    reset_and_login(app, users, GRACE_EMAIL, PASSWORD)
    login_with_browser(users, THIRD_IP, SAFARI, device_token=token)

    assert len(alert_mails(app)) == 3


def test_report_sign_in_cancels_pending_email_change(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_with_browser(users)
    attacker = SessionClient(users.client, login_with_browser(users, OTHER_IP, SAFARI))
    change = RequestedChange.request(app, attacker, "mallory@example.net")
    find_link(alert_mails(app)[0]).follow(users.client)

    assert change.confirm().status_code == 401
    assert reset_and_login(app, users, GRACE_EMAIL) == 200


def test_session_list_shows_device_names(users: UserFactory) -> None:
    users.create_verified()
    token = login_with_browser(users)["token"]
    login_with_browser(users, OTHER_IP, SAFARI)
    login_with_browser(users, OTHER_IP, "")
    sessions = users.client.get("/auth/sessions", headers={"Authorization": f"Bearer {token}"}).get_json()["sessions"]

    assert [session["device"] for session in sessions] == ["", "Mobile Safari (iOS)", "Firefox (Linux)"]
