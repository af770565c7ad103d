"""Email addresses as users and self-hosted servers spell them, on every route that takes one."""

import pytest
from tests.registration.helpers import resend, start_registration, unused_ip, verify
from tests.support.users import TestUser, UserFactory, bearer


def test_private_domain_is_accepted_by_register_and_login(users: UserFactory) -> None:
    for email in ("grace@corp.local", "grace@nas.home.arpa", "grace@app.localhost", "grace@localhost"):
        assert users.create_verified(email, unused_ip()).login_ok(unused_ip())["user"]["email"] == email


@pytest.mark.parametrize(
    ("before", "after"),
    [
        *((" ", "\n"), ("\t", "\xa0"), ("\ufeff\u200b", "\r\n\u2028\u3000")),
        *(("\u202a", "\u202c"), ("\u200e\u2066", "\u2069\u200f"), ("\u061c", "\xad")),  # address books, chats
    ],
)
def test_white_space_around_email_is_trimmed_everywhere(users: UserFactory, before: str, after: str) -> None:
    user = TestUser(users.client, f"{before}Grace@example.com{after}")
    assert resend(users.client, email=user.email) == 60
    registration = start_registration(users, user.email)
    assert verify(users.client, registration.code, email=user.email).status_code == 200
    login = user.login_ok()
    assert login["user"]["email"] == "Grace@example.com"

    headers = bearer(login["token"])
    current = users.client.post("/users/email", json={"email": user.email}, headers=headers)
    assert current.get_json()["errors"] == {"email": ["This is already your email address."]}
    change = users.client.post("/users/email", json={"email": f"{before}ada@example.com{after}"}, headers=headers)
    assert change.status_code == 200
    code = users.mailbox.code("ada@example.com")
    assert users.client.post("/users/email/verify", json={"otp": code}, headers=headers).status_code == 200

    user.email = f"{before}ada@example.com{after}"
    assert users.client.post("/auth/forgot-password", json={"email": user.email}).status_code == 200
    reset = {"otp": users.mailbox.code("ada@example.com"), "email": user.email, "password": "green kettles seven"}
    assert users.client.post("/auth/reset-password", json=reset).status_code == 200
    assert user.login("green kettles seven").status_code == 200
