"""A user with two sessions, one of them on a second network."""

import pytest
from flask import Flask
from tests.registration.helpers import GRACE_EMAIL
from tests.security_alerts.helpers import ActiveAccount
from tests.sessions.helpers import SessionClient
from tests.support.users import OTHER_IP, TestUser, UserFactory


@pytest.fixture
def account(app: Flask, users: UserFactory) -> ActiveAccount:
    own_session = SessionClient.for_new_user(app)
    other_session = SessionClient(users.client, TestUser(users.client, GRACE_EMAIL).login_ok(at=OTHER_IP))
    return ActiveAccount(app, users, own_session, other_session)
