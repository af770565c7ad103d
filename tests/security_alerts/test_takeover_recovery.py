"""A link in the owner's mail undoes everything an attacker did since, and no later link of the attacker's works."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update
from tests.account_deletion.helpers import delete_account, travel_and_erase
from tests.email_change.helpers import INVALID_TOKEN, MailLink, RequestedChange, find_link, login_status
from tests.login.helpers import LoginClient, unseen_ip
from tests.passwords.helpers import NEW_PASSWORD, request_reset, reset_password
from tests.registration.helpers import GRACE_EMAIL, INVALID_CODE
from tests.security_alerts.test_revert_email_change import reset_and_login
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import audit_events, error_of, execute_statement, query_all
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, Mailbox, TestUser, UserFactory

from flaskauth.accounts.models import User
from flaskauth.core import clock

MALLORY_EMAIL, SECOND_EMAIL = "mallory@example.net", "mallory@example.org"


@dataclass
class Takeover:
    """An account that an attacker with the password took over: the email address is the attacker's."""

    app: Flask
    users: UserFactory
    attacker: SessionClient
    report_link: MailLink
    revert_link: MailLink

    @classmethod
    def of_new_user(cls, app: Flask, users: UserFactory) -> "Takeover":
        users.create_verified().login_ok()
        attacker = SessionClient(users.client, TestUser(users.client, GRACE_EMAIL).login_ok(at=OTHER_IP))
        report_link = newest_link(app, GRACE_EMAIL)
        change = RequestedChange.request(app, attacker, MALLORY_EMAIL)
        assert change.confirm().status_code == 200
        return cls(app, users, attacker, report_link, change.revert_link)

    def change_again(self) -> RequestedChange:
        """Change the address a second time. The notice with the revert link goes to the attacker's first address."""
        change = RequestedChange.request(self.app, self.attacker, SECOND_EMAIL, MALLORY_EMAIL)
        assert change.confirm().status_code == 200
        return change

    def sign_in_from_new_network(self) -> MailLink:
        """Sign in, and return the report link that is mailed to the attacker."""
        TestUser(self.users.client, MALLORY_EMAIL).login_ok(at=unseen_ip())
        return newest_link(self.app, MALLORY_EMAIL)

    def emails(self) -> list[str]:
        return list(query_all(self.app, select(User.normalized_email)))


def newest_link(app: Flask, email: str) -> MailLink:
    wait_for_outbox(app)
    return find_link(next(mail for mail in Mailbox(app).wait(to=email) if "/auth/re" in mail["text"]))


Recovery = Callable[[Takeover], MailLink]
RECOVERIES: dict[str, Recovery] = {
    "report sign-in": lambda takeover: takeover.report_link,
    "revert email change": lambda takeover: takeover.revert_link,
}
EACH_RECOVERY = pytest.mark.parametrize("recovery", RECOVERIES)
# In this order: the pending change is requested with the address of the confirmed one.
ATTACKER_LINKS: dict[str, Callable[[Takeover], MailLink]] = {
    "sign-in": Takeover.sign_in_from_new_network,
    "confirmed change": lambda takeover: takeover.change_again().revert_link,
    "pending change": lambda takeover: (
        RequestedChange.request(takeover.app, takeover.attacker, "mallory@example.com", SECOND_EMAIL).revert_link
    ),
}


@EACH_RECOVERY
def test_recovery_restores_email_and_notifies_both(app: Flask, users: UserFactory, recovery: str) -> None:
    takeover = Takeover.of_new_user(app, users)
    assert RECOVERIES[recovery](takeover).follow(users.client, at=OTHER_IP).status_code == 200
    lost, restored = users.mailbox.wait(to=MALLORY_EMAIL)[0], users.mailbox.wait(to=GRACE_EMAIL)[0]

    assert takeover.emails() == [GRACE_EMAIL]
    assert takeover.attacker.is_logged_out()
    assert (restored["subject"], lost["subject"]) == (
        "Your account on flaskauth was secured",
        "Your email address on flaskauth was changed back",
    )
    assert OTHER_IP in lost["text"]
    assert GRACE_EMAIL not in lost["text"]
    assert len(audit_events(app, "email_change_reverted")) == 1
    assert [login_status(users, email, PASSWORD) for email in (GRACE_EMAIL, MALLORY_EMAIL)] == [401, 401]


@EACH_RECOVERY
def test_recovery_undoes_second_change_and_deletion(app: Flask, users: UserFactory, recovery: str) -> None:
    takeover = Takeover.of_new_user(app, users)
    takeover.change_again()
    assert delete_account(users.client, takeover.attacker.token).status_code == 200
    clock.travel(timedelta(days=6))
    assert RECOVERIES[recovery](takeover).follow(users.client).status_code == 200

    assert takeover.emails() == [GRACE_EMAIL]
    assert travel_and_erase(app) == 0


@EACH_RECOVERY
def test_recovery_revokes_later_attacker_credentials(app: Flask, users: UserFactory, recovery: str) -> None:
    takeover = Takeover.of_new_user(app, users)
    attacker_links = [make_link(takeover) for make_link in ATTACKER_LINKS.values()]
    reset = request_reset(users, SECOND_EMAIL)
    assert RECOVERIES[recovery](takeover).follow(users.client).status_code == 200
    assert error_of(reset_password(users.client, reset.code, reset_id=reset.id)) == INVALID_CODE
    assert reset_and_login(app, users, GRACE_EMAIL) == 200

    assert [error_of(link.follow(users.client)) for link in attacker_links] == [INVALID_TOKEN] * 3
    assert login_status(users, GRACE_EMAIL, NEW_PASSWORD) == 200
    assert takeover.emails() == [GRACE_EMAIL]


@pytest.mark.parametrize("attacker_link", ["sign-in", "confirmed change"])
def test_attacker_link_does_not_revoke_owner_link(app: Flask, users: UserFactory, attacker_link: str) -> None:
    takeover = Takeover.of_new_user(app, users)
    assert ATTACKER_LINKS[attacker_link](takeover).follow(users.client).status_code == 200
    assert reset_and_login(app, users, MALLORY_EMAIL) == 200
    assert takeover.revert_link.follow(users.client).status_code == 200

    assert takeover.emails() == [GRACE_EMAIL]
    assert login_status(users, GRACE_EMAIL, NEW_PASSWORD) == 401


def test_recovery_without_email_change_mails_one_address(app: Flask, users: UserFactory) -> None:
    users.create_verified().login_ok()
    TestUser(users.client, GRACE_EMAIL).login_ok(at=OTHER_IP)
    assert newest_link(app, GRACE_EMAIL).follow(users.client).status_code == 200
    wait_for_outbox(app)

    assert not [mail for mail in users.mailbox.all() if "changed back" in mail["subject"]]
    assert not audit_events(app, "email_change_reverted")


@EACH_RECOVERY
def test_recovery_forgets_the_network_of_attacker(app: Flask, users: UserFactory, recovery: str) -> None:
    """The attacker signs in again with the new password: the owner is alerted, and a lockout applies."""
    takeover = Takeover.of_new_user(app, users)
    assert RECOVERIES[recovery](takeover).follow(users.client).status_code == 200
    assert reset_and_login(app, users, GRACE_EMAIL) == 200
    login_client = LoginClient(app)
    login_client.lock_email()
    assert login_client.login(NEW_PASSWORD, at=OTHER_IP).status_code == 429
    assert login_client.login(NEW_PASSWORD, at=CLIENT_IP).status_code == 200
    clock.travel(timedelta(hours=2))
    assert login_client.login(NEW_PASSWORD, at=OTHER_IP).status_code == 200

    assert newest_link(app, GRACE_EMAIL).path == "/auth/report-sign-in"
    assert newest_link(app, GRACE_EMAIL).follow(users.client).status_code == 200


def sign_in_as_owner(takeover: Takeover) -> SessionClient:
    """Sign in with the attacker's address, which the notice names. The alert is mailed to that address."""
    tokens = TestUser(takeover.users.client, MALLORY_EMAIL).login_ok(at=unseen_ip())
    return SessionClient(takeover.users.client, tokens)


def test_change_back_revokes_links_to_attacker_email(app: Flask, users: UserFactory) -> None:
    takeover = Takeover.of_new_user(app, users)
    owner = sign_in_as_owner(takeover)
    alert = newest_link(app, MALLORY_EMAIL)
    change_back = RequestedChange.request(app, owner, GRACE_EMAIL, MALLORY_EMAIL)
    assert change_back.confirm().status_code == 200

    for link in (alert, change_back.revert_link):
        assert error_of(link.follow(users.client)) == INVALID_TOKEN
    assert owner.profile_status() == 200


def test_reset_revokes_links_to_attacker_email(app: Flask, users: UserFactory) -> None:
    """The owner's older link to the restored address is still valid, so a reset there revokes the attacker's link."""
    takeover = Takeover.of_new_user(app, users)
    alert = takeover.sign_in_from_new_network()
    execute_statement(app, update(User).values(email=GRACE_EMAIL, normalized_email=GRACE_EMAIL))
    assert reset_and_login(app, users, GRACE_EMAIL) == 200

    assert error_of(alert.follow(users.client)) == INVALID_TOKEN


def test_link_order_does_not_depend_on_server_clocks(app: Flask, users: UserFactory) -> None:
    """The attacker's second change is handled by a server whose clock is behind."""
    takeover = Takeover.of_new_user(app, users)
    wait_for_outbox(app)
    clock.travel(-timedelta(seconds=20))
    second = takeover.change_again()
    clock.travel(timedelta(seconds=20))
    assert takeover.revert_link.follow(users.client).status_code == 200

    assert error_of(second.revert_link.follow(users.client)) == INVALID_TOKEN
    assert takeover.emails() == [GRACE_EMAIL]
