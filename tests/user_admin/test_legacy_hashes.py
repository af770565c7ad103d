"""Login accepts the password hashes of other applications and replaces them with Argon2id hashes."""

from contextlib import suppress
from functools import partial

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from tests.login.helpers import INVALID_CREDENTIALS, current_hash_prefix, unseen_ip
from tests.passwords import helpers
from tests.passwords.helpers import NEW_PASSWORD
from tests.support.inspect import error_of, execute_statement, hash_count, query_all, run_concurrently
from tests.support.users import PASSWORD, TestUser, UserFactory
from tests.user_admin.sample_hashes import SAMPLES, SCHEMES, hash_argon2, hash_bcrypt, hash_wordpress, make_samples

from flaskauth.accounts.models import User
from flaskauth.core.passwords import legacy

pytestmark = pytest.mark.usefixtures("real_argon2")

UNICODE_PASSWORD = "fünf grüne ﬂöße ①"
NORMALIZED_PASSWORD = "fünf grüne flöße 1"
# Verifying one of these would occupy a CPU core or the memory for a long time.
COSTLY_HASHES = {
    "argon2 passes": "$argon2id$v=19$m=65536,t=4000000000,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
    "argon2 memory": "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
    "argon2 lanes": "$argon2id$v=19$m=65536,t=1,p=10000$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
    "bcrypt": f"$2b$31${'.' * 53}",
    "bcrypt-sha256": f"$bcrypt-sha256$v=2,t=2b,r=20${'.' * 22}${'.' * 31}",
    "pbkdf2": "$pbkdf2-sha256$4294967295$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g",
    "pbkdf2 beyond any number": f"pbkdf2_sha256${'9' * 100}$salt${'a' * 42}A=",
    "phpass": f"$P$S{'.' * 30}",
    "scrypt": "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g",
    "scrypt in parallel": "$scrypt$ln=14,r=8,p=100000$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g",
    "django scrypt": f"scrypt$1073741824$salt$8$1${'a' * 85}A==",
    "werkzeug scrypt": f"scrypt:1073741824:8:1$salt${'a' * 128}",
    "werkzeug pbkdf2": f"pbkdf2:sha256:4294967295$salt${'a' * 64}",
}


def create_user_with_hash(app: Flask, users: UserFactory, hashed: str) -> TestUser:
    """Create a verified user and replace the stored password hash."""
    grace = users.create_verified()
    execute_statement(app, update(User).values(password_hash=hashed))
    return grace


def stored_hash(app: Flask) -> str:
    [password_hash] = query_all(app, select(User.password_hash))
    return str(password_hash)


@pytest.mark.parametrize("sample", SAMPLES)
def test_login_with_legacy_hash_upgrades_to_argon2id(app: Flask, users: UserFactory, sample: str) -> None:
    grace = create_user_with_hash(app, users, SAMPLES[sample])
    assert error_of(grace.login("not the password")) == INVALID_CREDENTIALS
    assert stored_hash(app) == SAMPLES[sample]

    assert grace.login().status_code == 200
    new_hash = stored_hash(app)
    assert new_hash.startswith(current_hash_prefix())
    assert grace.login().status_code == 200
    assert stored_hash(app) == new_hash
    assert error_of(grace.login("not the password")) == INVALID_CREDENTIALS


@pytest.mark.parametrize("sample", SAMPLES)
def test_legacy_hash_scheme_is_identified(sample: str) -> None:
    assert legacy.scheme_name(SAMPLES[sample]) == SCHEMES[sample]
    assert legacy.reason_unsupported(SAMPLES[sample]) is None


def test_legacy_hash_compares_unicode_unnormalized() -> None:
    for sample, (_scheme, hashed) in make_samples(UNICODE_PASSWORD).items():
        assert legacy.verify(UNICODE_PASSWORD, hashed), sample
        assert not legacy.verify(NORMALIZED_PASSWORD, hashed), sample


def test_argon2_hash_compares_raw_and_normalized_unicode(app: Flask, users: UserFactory) -> None:
    """An Argon2 hash may come from this server, which normalizes with NFKC, or from another application."""
    grace = create_user_with_hash(app, users, hash_argon2(UNICODE_PASSWORD))
    assert grace.login(UNICODE_PASSWORD).status_code == 200

    execute_statement(app, update(User).values(password_hash=hash_argon2(NORMALIZED_PASSWORD)))
    assert grace.login(UNICODE_PASSWORD).status_code == 200


def test_bcrypt_truncation_ends_after_rehash(app: Flask, users: UserFactory) -> None:
    long_password = "ü" * 40
    grace = create_user_with_hash(app, users, hash_bcrypt(long_password.encode()[:72]))

    assert error_of(grace.login("ü" * 35 + "x")) == INVALID_CREDENTIALS
    assert grace.login(long_password).status_code == 200
    assert error_of(grace.login("ü" * 36)) == INVALID_CREDENTIALS
    assert grace.login(long_password).status_code == 200


def test_wordpress_hash_ignores_surrounding_whitespace() -> None:
    hashed = hash_wordpress(PASSWORD)

    assert legacy.verify(f" {PASSWORD}\n", hashed)
    assert not legacy.verify(PASSWORD.replace(" ", ""), hashed)


def test_wordpress_hash_covers_whole_password() -> None:
    """WordPress takes an HMAC with the key `wp-sha384` of the whole password, and bcrypt of its Base64 form."""
    assert legacy.verify("x" * 100, hash_wordpress("x" * 100))
    assert not legacy.verify("x" * 99, hash_wordpress("x" * 100))


@pytest.mark.parametrize("sample", COSTLY_HASHES)
def test_costly_legacy_hash_is_rejected(app: Flask, users: UserFactory, sample: str) -> None:
    assert legacy.reason_unsupported(COSTLY_HASHES[sample]) == "cost outside the limits"
    grace = create_user_with_hash(app, users, COSTLY_HASHES[sample])
    before = hash_count(app)

    assert error_of(grace.login()) == INVALID_CREDENTIALS
    assert (stored_hash(app), hash_count(app) - before) == (COSTLY_HASHES[sample], 1)


@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_corrupted_legacy_hash_raises_only_value_error(sample: str, data: st.DataObject) -> None:
    """Whatever exception a library raises. A hash that cannot be verified costs as much as a decoy hash."""
    valid_hash = SAMPLES[sample]
    position = data.draw(st.integers(0, len(valid_hash) - 1))
    corrupted = (
        valid_hash[:position]
        + data.draw(st.sampled_from(["", "$", "=", "/", "é", "\0", "9", "z"]))
        + valid_hash[position + 1 :]
    )
    with suppress(ValueError):
        assert legacy.verify(PASSWORD, corrupted) in {True, False}


@pytest.mark.parametrize("sample", ["bcrypt 2b", "django pbkdf2_sha256", "argon2i"])
def test_password_change_wins_over_concurrent_rehash(app: Flask, users: UserFactory, sample: str) -> None:
    grace = users.create_verified()
    token = grace.login_ok()["token"]
    execute_statement(app, update(User).values(password_hash=SAMPLES[sample]))
    old_logins = [partial(TestUser(app.test_client(), grace.email).login, at=unseen_ip()) for _ in range(4)]
    *responses, change_response = run_concurrently(
        [*old_logins, partial(helpers.change_password, app.test_client(), token, PASSWORD, at=unseen_ip())]
    )

    # Whichever runs first, the new password is valid after a successful change.
    assert {response.status_code for response in responses} <= {200, 401, 503}
    current_password = NEW_PASSWORD if change_response.status_code == 200 else PASSWORD
    assert grace.login(current_password, at=unseen_ip()).status_code == 200
    assert stored_hash(app).startswith(current_hash_prefix())
    if change_response.status_code == 200:
        assert error_of(grace.login(PASSWORD, at=unseen_ip())) == INVALID_CREDENTIALS
