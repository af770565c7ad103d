"""One application for each module, with two users. Each test begins without passkeys and with new sessions."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, select, update
from tests.conftest import _create_app, _stop
from tests.passkeys.client import PasskeyUser
from tests.support.inspect import in_transaction, query_all
from tests.support.users import TestUser, UserFactory

from flaskauth.accounts.models import User
from flaskauth.audit.models import AuditEvent
from flaskauth.core.db.session import db
from flaskauth.mail.models import OutboxMail
from flaskauth.mfa.models import Passkey, RecoveryCode
from flaskauth.sessions.models import Session

USABLE = {
    "disabled_at": None,
    "deletion_due_at": None,
    "reset_required": False,
    "is_verified": True,
    "mfa_enabled": False,
    "webauthn_user_handle": None,
}


@pytest.fixture(scope="module")
def app(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("passkeys")
    (folder / "test.db").write_bytes(sqlite_template.read_bytes())
    app = _create_app(f"sqlite:///{folder}/test.db", folder, {"RATE_LIMIT_FACTOR": "1000"})
    yield app
    _stop(app)


@pytest.fixture(scope="module")
def accounts(app: Flask) -> list[TestUser]:
    factory = UserFactory(app)
    return [factory.create_verified(email) for email in ("grace@example.com", "other@example.com")]


@pytest.fixture(scope="module")
def password_hash(app: Flask, accounts: list[TestUser]) -> str:
    password_hash: str = query_all(app, select(User.password_hash))[0]
    return password_hash


@pytest.fixture(autouse=True)
def reset_rows(request: pytest.FixtureRequest) -> None:
    """Delete what the previous test wrote, if this one uses the application of the module."""
    if "app" not in request.fixturenames:
        return
    app = request.getfixturevalue("app")
    password = {"password_hash": request.getfixturevalue("password_hash")}

    def reset() -> None:
        for model in (Passkey, RecoveryCode, AuditEvent, OutboxMail, Session):
            db.session.execute(delete(model))
        db.session.execute(update(User).values(**USABLE, **password))

    in_transaction(app, reset)


@pytest.fixture
def grace(accounts: list[TestUser]) -> PasskeyUser:
    """A user who has just signed in."""
    return PasskeyUser.sign_in(accounts[0])


@pytest.fixture
def other(accounts: list[TestUser]) -> PasskeyUser:
    """Another user who has just signed in."""
    return PasskeyUser.sign_in(accounts[1])
