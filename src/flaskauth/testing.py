"""Pytest fixtures for applications that extend or mount flaskauth: `pytest_plugins = ["flaskauth.testing"]`.

`auth_settings` are settings with a migrated database for each test. `auth` creates users, signs them in, reads their
mail and moves the clock; it uses your fixture `app`.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flaskauth import migrations
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.core import clock, context, email_addresses
from flaskauth.core.db.session import db, dispose_engines, transaction
from flaskauth.core.jobs import background
from flaskauth.core.passwords import hashing
from flaskauth.mail import delivery
from flaskauth.mail import service as mail
from flaskauth.mail.service import MailboxMessage
from flaskauth.sessions import devices
from flaskauth.sessions import service as sessions
from flaskauth.settings import Settings

DATABASE = "flaskauth.db"


@dataclass(frozen=True)
class AuthTester:
    """Creates users and signs them in, without requests. `server` is the server that the application is or mounts."""

    app: Flask
    server: Flask

    def create_user(
        self,
        email: str = "grace@example.com",
        password: str | None = None,
        *,
        first_name: str = "Grace",
        last_name: str = "Hopper",
    ) -> User:
        """Create a user with a verified email address. Commits.

        Without a password the user cannot use `POST /auth/login`, but a hash takes 0.1 seconds.
        """
        address = email_addresses.parse(email)

        def create() -> User:
            password_hash = hashing.hash_password(password) if password else None
            user = accounts.create(
                email=address.original,
                normalized_email=address.normalized,
                password_hash=password_hash,
                first_name=first_name,
                last_name=last_name,
                locale="en",
            )
            db.session.refresh(user, ["country"])
            db.session.expunge(user)
            return user

        with self.server.app_context():
            return transaction(create)

    def client(self, user: User | None = None) -> FlaskClient:
        """Return a test client of your application, signed in as the user: it sends the header `Authorization`."""
        client = self.app.test_client()
        if user:
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.access_token(user)}"
        return client

    def access_token(self, user: User) -> str:
        """Start a session of the user and return its access token. Commits."""
        with self.server.test_request_context():
            return transaction(lambda: sessions.start(user.id, devices.upsert(user.id, None, None)[0]).token)

    def mails(self, to: str | None = None) -> list[MailboxMessage]:
        """Return the mails (to one recipient), newest first. Those that wait are sent to the mailbox first."""
        with self.server.app_context():
            delivery.deliver_due()
            return [message for message in mail.list_mailbox() if to in (None, message.to)]

    def travel(self, by: timedelta) -> None:
        """Move the clock of flaskauth forward until the test ends."""
        clock.travel(by)


@pytest.fixture(scope="session")
def _auth_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate a database once: each test gets a copy."""
    folder = tmp_path_factory.mktemp("flaskauth")
    migrations.upgrade(Settings.load({"FLASKAUTH_INSTANCE_PATH": str(folder)}, folder / "none").database_url)
    return folder / DATABASE


@pytest.fixture
def auth_settings(tmp_path: Path, _auth_template: Path) -> Settings:
    """Settings for `create_app`: development, without the environment, with an empty database."""
    folder = tmp_path / "flaskauth"
    folder.mkdir()
    shutil.copy(_auth_template, folder / DATABASE)
    return Settings.load({"FLASKAUTH_INSTANCE_PATH": str(folder), "FLASK_TESTING": "true"}, folder / "none")


@pytest.fixture
def auth(app: Flask) -> Iterator[AuthTester]:
    """Users, signed-in clients, mail and the clock for the application of your fixture `app`."""
    with app.app_context():
        server = app if context.is_server() else context.mounted_server()
    server.extensions[background.KEY].stop()  # `AuthTester.mails` delivers the mail, without waiting
    with clock.restore_afterwards():
        yield AuthTester(app, server)
    with server.app_context():
        dispose_engines()
