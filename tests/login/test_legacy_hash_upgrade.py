"""Login accepts the password hashes of the tutorial's application and replaces them with Argon2id hashes."""

from functools import partial

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import select, update
from tests.login.helpers import INVALID_CREDENTIALS, current_hash_prefix, unseen_ip
from tests.support.inspect import error_of, execute_statement, hash_count, in_transaction, query_all, run_concurrently
from tests.support.users import PASSWORD, TestUser, UserFactory
from werkzeug.security import generate_password_hash

from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.accounts.service import StoredCredentials

pytestmark = pytest.mark.usefixtures("real_argon2")

METHODS = ("scrypt:32768:8:1", "scrypt:1024:8:1", "pbkdf2:sha256:1000", "pbkdf2:sha1:1000")
UNICODE_PASSWORD = "fünf grüne ﬂöße ①"
MALFORMED_HASHES = (
    "",
    "x",
    "scrypt:",
    "scrypt:1:2$a$b",
    "scrypt:3:3:3$a$b",
    "pbkdf2:nothing:1$a$b",
    "pbkdf2:sha256:x$a$b",
    "$argon2",
)


def create_user_with_hash(app: Flask, users: UserFactory, password_hash: str) -> TestUser:
    """Create a verified user and replace the stored password hash."""
    user = users.create_verified()
    execute_statement(app, update(User).values(password_hash=password_hash))
    return user


def stored_hash(app: Flask) -> str:
    [password_hash] = query_all(app, select(User.password_hash))
    return str(password_hash)


@pytest.mark.parametrize("method", METHODS)
def test_login_with_tutorial_hash_upgrades_to_argon2id(app: Flask, users: UserFactory, method: str) -> None:
    legacy_hash = generate_password_hash(PASSWORD, method)
    grace = create_user_with_hash(app, users, legacy_hash)
    assert error_of(grace.login("not the password")) == INVALID_CREDENTIALS
    assert stored_hash(app) == legacy_hash

    assert grace.login().status_code == 200
    assert stored_hash(app).startswith("$argon2id$")
    count_before, new_hash = hash_count(app), stored_hash(app)
    assert grace.login().status_code == 200
    assert (stored_hash(app), hash_count(app) - count_before) == (new_hash, 1)
    assert error_of(grace.login("not the password")) == INVALID_CREDENTIALS


def test_legacy_hash_upgrade_enables_unicode_normalization(app: Flask, users: UserFactory) -> None:
    grace = create_user_with_hash(app, users, generate_password_hash(UNICODE_PASSWORD, "pbkdf2:sha256:1000"))

    assert error_of(grace.login("fünf grüne flöße 1")) == INVALID_CREDENTIALS
    assert grace.login(UNICODE_PASSWORD).status_code == 200
    assert grace.login("fünf grüne flöße 1").status_code == 200


def test_login_rehashes_weaker_argon2_parameters(app: Flask, users: UserFactory) -> None:
    grace = create_user_with_hash(app, users, PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash(PASSWORD))

    assert grace.login().status_code == 200
    assert stored_hash(app).startswith(current_hash_prefix())


def test_concurrent_logins_with_legacy_hash_all_succeed(app: Flask, users: UserFactory) -> None:
    create_user_with_hash(app, users, generate_password_hash(PASSWORD, "pbkdf2:sha256:1000"))
    logins = [partial(TestUser(app.test_client(), "grace@example.com").login, at=unseen_ip()) for _ in range(6)]

    assert {response.status_code for response in run_concurrently(logins)} <= {200, 503}
    assert stored_hash(app).startswith("$argon2id$")


def test_login_with_malformed_hash_is_rejected(app: Flask, users: UserFactory) -> None:
    grace = create_user_with_hash(app, users, "x")
    for malformed_hash in MALFORMED_HASHES:
        execute_statement(app, update(User).values(password_hash=malformed_hash))
        assert error_of(grace.login(at=unseen_ip())) == INVALID_CREDENTIALS, malformed_hash
        assert stored_hash(app) == malformed_hash


def test_rehash_does_not_overwrite_changed_password(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    [user] = query_all(app, select(User))
    before_change = StoredCredentials(user.id, user.password_hash, "", user.credential_version - 1)

    assert in_transaction(app, lambda: accounts.store_rehash(before_change, "a new hash")) is False
    assert stored_hash(app).startswith("$argon2id$")
