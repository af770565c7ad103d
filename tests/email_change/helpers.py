"""Helpers that request an email change, read both mails and submit the code."""

import re
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from tests.registration.helpers import GRACE_EMAIL
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import wait_for_outbox
from tests.support.users import CLIENT_IP, PASSWORD, Mailbox, UserFactory, bearer, code_in_mail, forwarded_for
from werkzeug.test import TestResponse

NEW_EMAIL = "hopper@example.org"
LINK_PATTERN = re.compile(
    r"^http://localhost:5000(/auth/(?:revert-email-change|report-sign-in|lost-factor/cancel))#([\w-]{43})$",
    re.MULTILINE,
)
INVALID_TOKEN = (401, "invalid_token")


@dataclass(frozen=True)
class MailLink:
    """A link in a mail: the path of its page and the token after `#`."""

    path: str
    token: str

    def follow(self, client: FlaskClient, at: str = CLIENT_IP) -> TestResponse:
        """Send the request of the page's button."""
        return client.post(self.path, json={"token": self.token}, headers=forwarded_for(at))


def find_link(mail: dict[str, Any]) -> MailLink:
    """Return the link of a mail, which must be in both parts."""
    match = LINK_PATTERN.search(mail["text"])
    assert match, mail["text"]
    assert f'href="{match.group()}"' in mail["html"]
    return MailLink(*match.groups())


def request_change(client: FlaskClient, token: str, email: str = NEW_EMAIL, at: str = CLIENT_IP) -> TestResponse:
    return client.post("/users/email", json={"email": email}, headers={**bearer(token), **forwarded_for(at)})


def confirm_change(client: FlaskClient, token: str, otp: str, at: str = CLIENT_IP) -> TestResponse:
    return client.post("/users/email/verify", json={"otp": otp}, headers={**bearer(token), **forwarded_for(at)})


@dataclass(frozen=True)
class RequestedChange:
    """A requested email change, with the contents of its mails."""

    session_client: SessionClient
    code: str
    revert_link: MailLink
    email: str

    @classmethod
    def request(
        cls, app: Flask, session_client: SessionClient, email: str = NEW_EMAIL, old_email: str = GRACE_EMAIL
    ) -> "RequestedChange":
        assert request_change(session_client.client, session_client.token, email).status_code == 200
        wait_for_outbox(app)
        mailbox = Mailbox(app)
        notice = next(mail for mail in mailbox.wait(to=old_email) if "/auth/revert-email-change#" in mail["text"])
        return cls(session_client, code_in_mail(mailbox.wait(to=email)[0]), find_link(notice), email)

    def confirm(self) -> TestResponse:
        return confirm_change(self.session_client.client, self.session_client.token, self.code)


def change_email(app: Flask, email: str = NEW_EMAIL, old_email: str = GRACE_EMAIL) -> RequestedChange:
    """Register a user and change the email address."""
    change = RequestedChange.request(app, SessionClient.for_new_user(app, old_email), email, old_email)
    assert change.confirm().status_code == 200
    return change


def login_status(users: UserFactory, email: str, password: str = PASSWORD) -> int:
    body = {"email": email, "password": password}
    return users.client.post("/auth/login", json=body, headers=forwarded_for(CLIENT_IP)).status_code
