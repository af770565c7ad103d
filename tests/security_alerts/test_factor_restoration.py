"""A report or revert link restores the factors of the owner, and removes those of an attacker."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select
from tests.email_change.helpers import MailLink, RequestedChange
from tests.login.helpers import unseen_ip
from tests.mfa.helpers import STEP, MfaUser
from tests.passkeys.client import PasskeyUser, sign_in_with
from tests.passwords.helpers import NEW_PASSWORD, request_reset, reset_password
from tests.registration.helpers import GRACE_EMAIL
from tests.security_alerts.test_takeover_recovery import newest_link
from tests.sessions.helpers import SessionClient
from tests.support.inspect import error_of, query_all, single_event
from tests.support.users import TestUser, UserFactory, bearer

from flaskauth.core import clock
from flaskauth.mfa.models import ACTIVE_PASSKEY, Passkey, RecoveryCode, TotpFactor
from flaskauth.one_time_codes import links

INVALID_TOKEN = (401, "invalid_token")
INVALID_CREDENTIALS = (401, "invalid_credentials")


def create_owner(app: Flask) -> MfaUser:
    """Return a user who enrolled over a week ago: a link undoes newer enrolments without a second factor."""
    owner = MfaUser.create(app)
    clock.travel(links.LIFETIME)
    return owner


def start_attack(owner: MfaUser) -> MfaUser:
    """Sign in with both factors of the owner, as after phishing, from a new device and network."""
    clock.travel(STEP)  # the code of the previous step may be used
    response = owner.send_factor(owner.challenge(at=(ip := unseen_ip())), at=ip)
    assert response.status_code == 200, response.text
    return MfaUser(owner.client, owner.email, response.get_json()["token"])


def replace_factors(owner: MfaUser, attacker: MfaUser) -> None:
    """Add the attacker's app, remove the owner's, and create new recovery codes."""
    attacker.enrol("Evil")
    assert attacker.call("DELETE", f"/totp/{owner.factor_id}").status_code == 200
    response = attacker.call("POST", "/recovery-codes")
    attacker.recovery_codes = response.get_json()["recovery_codes"]


def reset_after(users: UserFactory, link: MailLink) -> None:
    assert link.follow(users.client).status_code == 200
    reset = request_reset(users)
    assert reset_password(users.client, reset.code, reset_id=reset.id).status_code == 200


def report_link(app: Flask, _attacker: MfaUser) -> MailLink:
    return newest_link(app, GRACE_EMAIL)


def revert_link(app: Flask, attacker: MfaUser) -> MailLink:
    change = RequestedChange.request(app, SessionClient(attacker.client, {"token": attacker.token}))
    assert change.confirm().status_code == 200
    return change.revert_link


LINKS: dict[str, Callable[[Flask, MfaUser], MailLink]] = {"report": report_link, "revert": revert_link}


@pytest.mark.parametrize("kind", LINKS)
def test_link_restores_factors_and_removes_those_of_attacker(app: Flask, users: UserFactory, kind: str) -> None:
    owner = create_owner(app)
    attacker = start_attack(owner)
    early_link = report_link(app, attacker)
    replace_factors(owner, attacker)
    link = LINKS[kind](app, attacker) if kind == "revert" else early_link
    reset_after(users, link)

    details = single_event(app, "factors_restored").details
    assert (details["restored"], details["removed"]) == (11, 11)
    assert error_of(link.follow(users.client)) == INVALID_TOKEN
    while attacker.otp() in {owner.otp(steps) for steps in (-1, 0, 1)}:
        clock.travel(STEP)  # two apps may show the same code
    for fields in ({"otp": attacker.otp()}, {"recovery_code": attacker.recovery_codes[0]}):
        challenge = owner.login(NEW_PASSWORD).get_json()["challenge_token"]
        assert owner.send_factor(challenge, **fields).status_code == 401, fields
    for fields in ({"otp": owner.otp()}, {"recovery_code": owner.recovery_codes[0]}):
        challenge = owner.login(NEW_PASSWORD).get_json()["challenge_token"]
        assert owner.send_factor(challenge, **fields).status_code == 200, fields


def test_link_of_newest_session_removes_factor_of_older_one(app: Flask, users: UserFactory) -> None:
    owner = create_owner(app)
    first = start_attack(owner)
    first.enrol("Evil")
    start_attack(owner)
    reset_after(users, newest_link(app, GRACE_EMAIL))

    assert query_all(app, select(TotpFactor.id).where(TotpFactor.removed_at.is_(None))) == [owner.factor_id]
    assert len(query_all(app, select(RecoveryCode).where(RecoveryCode.removed_at.is_(None)))) == 10


def test_link_removes_the_passkey_of_attacker(app: Flask, users: UserFactory) -> None:
    """A passkey signs in without a password, so it must not survive the password reset."""
    owner = MfaUser.create(app)
    own_id = PasskeyUser(TestUser(users.client, GRACE_EMAIL), bearer(owner.token)).add(name="Own").credential_id
    clock.travel(links.LIFETIME)
    attacker = start_attack(owner)
    link = report_link(app, attacker)
    PasskeyUser(TestUser(users.client, GRACE_EMAIL), bearer(attacker.token)).add(name="Evil")
    [factor] = [key for key in attacker.overview()["passkeys"] if key["name"] == "Own"]
    assert attacker.call("DELETE", f"/passkeys/{factor['id']}").status_code == 200
    reset_after(users, link)

    assert query_all(app, select(Passkey.credential_id).where(ACTIVE_PASSKEY)) == [own_id]


def test_restored_passkey_is_a_second_factor_only(app: Flask, users: UserFactory) -> None:
    """The owner removed an attacker's passkey over a week after it was added, and then follows a link."""
    owner = create_owner(app)
    attacker = start_attack(owner)
    passkey = PasskeyUser(TestUser(users.client, GRACE_EMAIL), bearer(attacker.token)).add(name="Evil")
    clock.travel(links.LIFETIME * 2)
    session = start_attack(owner)  # the owner's new phone
    [key] = session.overview()["passkeys"]
    assert session.call("DELETE", f"/passkeys/{key['id']}").status_code == 200
    start_attack(owner)
    reset_after(users, newest_link(app, GRACE_EMAIL))

    assert query_all(app, select(Passkey.name).where(ACTIVE_PASSKEY)) == ["Evil"]
    assert error_of(sign_in_with(users.client, passkey)) == INVALID_CREDENTIALS
    required = owner.login(NEW_PASSWORD).get_json()
    assert owner.send_factor(required["challenge_token"], passkey=passkey.get(required["passkey"])).status_code == 200


def test_link_turns_mfa_on_again(app: Flask, users: UserFactory) -> None:
    owner = create_owner(app)
    attacker = start_attack(owner)
    link = report_link(app, attacker)
    assert attacker.call("PUT", "/mfa", {"enabled": False}).status_code == 200
    reset_after(users, link)

    assert error_of(owner.login(NEW_PASSWORD)) == (401, "second_factor_required")


def test_link_without_factor_changes_records_nothing(app: Flask, users: UserFactory) -> None:
    owner = create_owner(app)
    attacker = start_attack(owner)
    reset_after(users, report_link(app, attacker))

    assert owner.login(NEW_PASSWORD).get_json()["factors"] == ["otp", "recovery_code"]
