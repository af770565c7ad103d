"""A link undoes the changes of the reported session, and of further sessions that may be the attacker's."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from tests.email_change.helpers import RequestedChange
from tests.login.helpers import unseen_ip
from tests.mfa.helpers import MfaUser, wrong_otp
from tests.passwords.helpers import NEW_PASSWORD, request_reset, reset_password
from tests.registration.helpers import GRACE_EMAIL
from tests.security_alerts.test_takeover_recovery import newest_link
from tests.sessions.helpers import SessionClient
from tests.support.inspect import audit_events, error_of, in_transaction, query_all
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, THIRD_IP, Mailbox, UserFactory

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.mfa.models import ACTIVE_TOTP, TotpFactor
from flaskauth.sessions import devices
from flaskauth.sessions import service as sessions
from flaskauth.sessions.models import Session

LATER = timedelta(days=8)  # no link that was mailed before is valid


@pytest.fixture
def owner(app: Flask) -> MfaUser:
    """Return a user with an app, who has signed in from three networks, and knows that this was no attacker."""
    owner = MfaUser.create(app)
    owner.device_token = sign_in(owner, OTHER_IP).device_token
    sign_in(owner, THIRD_IP)
    clock.travel(LATER)
    return owner


def sign_in(owner: MfaUser, at: str, password: str = PASSWORD, **fields: str) -> MfaUser:
    """Sign in with the password and, with MFA on, a code of the owner's app, as after phishing."""
    clock.travel(timedelta(minutes=2))
    response = owner.login(password, at=at, **fields)
    if response.status_code == 401:
        response = owner.send_factor(response.get_json()["challenge_token"], at=at, **fields)
    assert response.status_code == 200, response.text
    body = response.get_json()
    return MfaUser(owner.client, owner.email, body["token"], body["device_token"], body["refresh_token"])


def report(app: Flask, session: MfaUser) -> None:
    """Cause a mail that reports the session, and follow its link."""
    assert session.call("POST", "/recovery-codes").status_code == 200
    assert newest_link(app, GRACE_EMAIL).follow(session.client).status_code == 200


def app_names(app: Flask) -> list[str]:
    return list(query_all(app, select(TotpFactor.name).where(ACTIVE_TOTP).order_by(TotpFactor.id)))


def turn_mfa_off(owner: MfaUser) -> None:
    owner.token = sign_in(owner, CLIENT_IP).token
    assert owner.call("PUT", "/mfa", {"enabled": False}).status_code == 200


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ("same network", ["Phone"]),
        ("same device", ["Phone"]),
        ("new client", ["Phone"]),
        ("none", ["Phone", "Added"]),
    ],
)
def test_link_undoes_changes_of_related_session(app: Flask, owner: MfaUser, relation: str, expected: list[str]) -> None:
    fields = {"device_token": owner.device_token} if relation == "same device" else {}
    first = sign_in(owner, unseen_ip() if relation == "new client" else OTHER_IP, **fields)
    first.enrol("Added")
    report(app, sign_in(owner, OTHER_IP if relation == "same network" else THIRD_IP, **fields))

    assert app_names(app) == expected


@pytest.mark.parametrize("hours", [0, 7 * 24 - 1])
def test_link_undoes_change_without_second_factor(app: Flask, owner: MfaUser, hours: int) -> None:
    """The session is unrelated to the reported one, and has a second factor afterwards."""
    turn_mfa_off(owner)
    clock.travel(LATER)
    sign_in(owner, OTHER_IP).enrol("Added")
    clock.travel(timedelta(hours=hours))
    report(app, sign_in(owner, THIRD_IP))

    assert app_names(app) == ["Phone"]
    assert {event.details["amr"] for event in audit_events(app, "totp_enrolled")} == {"pwd"}


def test_link_undoes_change_at_start_of_its_week(app: Flask, owner: MfaUser) -> None:
    """The app was added before the week, and confirmed in it, by a session that is older."""
    turn_mfa_off(owner)
    clock.travel(LATER)
    attacker = sign_in(owner, OTHER_IP)
    attacker.start_enrolment("Added")
    clock.travel(timedelta(minutes=5))
    assert attacker.confirm().status_code == 200
    clock.travel(timedelta(days=7, minutes=-4))
    report(app, sign_in(owner, THIRD_IP))

    assert app_names(app) == ["Phone"]


def test_link_undoes_old_changes_of_reported_session(app: Flask, owner: MfaUser) -> None:
    attacker = sign_in(owner, OTHER_IP)
    attacker.enrol("Added")
    clock.travel(LATER)
    refreshed = attacker.client.post("/auth/refresh", json={"refresh_token": attacker.refresh_token})
    attacker.token = refreshed.get_json()["token"]
    attacker.token = attacker.reauthenticate(otp=attacker.otp()).get_json()["token"]
    report(app, attacker)

    assert app_names(app) == ["Phone"]


def test_link_undoes_change_on_server_with_late_clock(app: Flask, owner: MfaUser) -> None:
    """The server that adds the app has an earlier time than the one that started the session."""
    attacker = sign_in(owner, unseen_ip())
    clock.travel(-timedelta(seconds=25))
    attacker.enrol("Added")
    report(app, attacker)

    assert app_names(app) == ["Phone"]


def test_link_keeps_earlier_changes_of_owner(app: Flask, owner: MfaUser) -> None:
    """The owner replaced the app with the second factor, before an attacker signed in."""
    session = sign_in(owner, CLIENT_IP)
    session.enrol("New phone")
    assert session.call("DELETE", f"/totp/{owner.factor_id}").status_code == 200
    owner.secret = session.secret
    report(app, sign_in(owner, unseen_ip()))

    assert app_names(app) == ["New phone"]


def test_second_link_undoes_nothing_again(app: Flask, users: UserFactory, owner: MfaUser) -> None:
    """The second link is the older one. Its session began after that of the attacker's app."""
    sign_in(owner, OTHER_IP).enrol("Added")
    assert sign_in(owner, THIRD_IP).call("POST", "/recovery-codes").status_code == 200
    second_link = newest_link(app, GRACE_EMAIL)
    report(app, sign_in(owner, OTHER_IP))
    assert app_names(app) == ["Phone"]
    reset = request_reset(users)
    assert reset_password(users.client, reset.code, reset_id=reset.id).status_code == 200
    sign_in(owner, CLIENT_IP, password=NEW_PASSWORD).enrol("New")

    assert second_link.follow(users.client).status_code == 200
    assert app_names(app) == ["Phone", "New"]
    assert len(audit_events(app, "factors_restored")) == 1


def fail_second_step(owner: MfaUser) -> None:
    """Send wrong codes, until the owner is warned that the password is known."""
    challenge = owner.challenge(at=OTHER_IP)
    for _ in range(3):
        assert owner.send_factor(challenge, at=OTHER_IP, otp=wrong_otp(owner)).status_code == 401


def test_warning_link_keeps_new_factors_of_owner(app: Flask, users: UserFactory, owner: MfaUser) -> None:
    """The owner, whose phone was stolen, signed in from a new client and replaced everything."""
    lost_phone = owner.factor_id
    response = owner.send_factor(owner.challenge(at=(ip := unseen_ip())), at=ip, recovery_code=owner.recovery_codes[0])
    owner.token = response.get_json()["token"]
    owner.enrol("Tom & Co")
    assert owner.call("DELETE", f"/totp/{lost_phone}").status_code == 200
    owner.recovery_codes = owner.call("POST", "/recovery-codes").get_json()["recovery_codes"]
    fail_second_step(owner)
    link = newest_link(app, GRACE_EMAIL)
    assert link.follow(users.client).status_code == 200
    mail = Mailbox(app).wait(to=GRACE_EMAIL)[0]
    reset = request_reset(users)
    assert reset_password(users.client, reset.code, reset_id=reset.id).status_code == 200

    assert app_names(app) == ["Tom & Co"]
    assert "left as they are" in mail["text"]
    assert "Active second factors: Tom & Co\n" in mail["text"]
    assert "Tom &amp; Co." in mail["html"]
    challenge = owner.login(NEW_PASSWORD).get_json()["challenge_token"]
    assert owner.send_factor(challenge, recovery_code=owner.recovery_codes[0]).status_code == 200


def test_warning_link_undoes_change_without_second_factor(app: Flask, owner: MfaUser) -> None:
    turn_mfa_off(owner)
    clock.travel(LATER)
    attacker = sign_in(owner, OTHER_IP)
    attacker.enrol("Added")
    assert attacker.call("PUT", "/mfa", {"enabled": True}).status_code == 200
    fail_second_step(attacker)
    assert newest_link(app, GRACE_EMAIL).follow(owner.client).status_code == 200

    assert app_names(app) == ["Phone"]
    mail = Mailbox(app).wait(to=GRACE_EMAIL)[0]
    assert "were undone" in mail["text"]
    assert "Active second factors: Phone\n" in mail["text"]


def test_factor_mail_link_works_once(app: Flask, owner: MfaUser) -> None:
    attacker = sign_in(owner, unseen_ip())
    attacker.enrol("Added")
    link = newest_link(app, GRACE_EMAIL)
    statuses = [link.follow(owner.client) for _ in range(2)]

    assert statuses[0].status_code == 200
    assert error_of(statuses[1]) == (401, "invalid_token")
    assert app_names(app) == ["Phone"]


@pytest.mark.parametrize("relation", ["second of a new client", "of a dormant account"])
def test_link_undoes_changes_of_new_client(app: Flask, owner: MfaUser, relation: str) -> None:
    """The attacker is reported with the mail of a later session, from a different network."""
    attacker_ip = unseen_ip()
    if relation == "of a dormant account":
        clock.travel(timedelta(days=200))
        in_transaction(app, sessions.purge)
        assert query_all(app, select(Session.id)) == []
    else:
        sign_in(owner, attacker_ip)
    sign_in(owner, attacker_ip).enrol("Added")
    clock.travel(timedelta(minutes=3))
    sign_in(owner, unseen_ip())
    link = newest_link(app, GRACE_EMAIL)
    assert link.follow(owner.client).status_code == 200

    assert app_names(app) == ["Phone"]
    with app.app_context():
        assert not devices.is_network_recognised(query_all(app, select(User.id))[0], attacker_ip)


def test_link_that_restores_email_undoes_later_changes(app: Flask, owner: MfaUser) -> None:
    """After the email change, the attacker signs in from a network of the owner."""
    attacker = sign_in(owner, unseen_ip())
    client = SessionClient(attacker.client, {"token": attacker.token})
    change = RequestedChange.request(app, client, "mallory@example.net")
    assert change.confirm().status_code == 200
    owner.email = change.email
    second = sign_in(owner, OTHER_IP)
    second.enrol("Added")
    assert second.call("DELETE", f"/totp/{owner.factor_id}").status_code == 200
    assert change.revert_link.follow(owner.client).status_code == 200

    assert app_names(app) == ["Phone"]
