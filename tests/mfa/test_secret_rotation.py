"""The secrets of authenticator apps are encrypted again after SECRET_KEY has changed, on use and by a periodic job."""

from flask import Flask
from sqlalchemy import select, update
from tests.conftest import SECRET, MakeApp
from tests.mfa.helpers import NEW_SECRET, MfaUser
from tests.support.inspect import execute_statement, in_transaction, query_all

from flaskauth.core import crypto
from flaskauth.core.db.session import db
from flaskauth.mfa import totp
from flaskauth.mfa.models import TotpFactor

THOUSAND = 1000


def outdated(app: Flask) -> tuple[int, int]:
    return in_transaction(app, lambda: totp.count_outdated(db.session.connection()))


def with_new_key(make_app: MakeApp) -> Flask:
    return make_app(SECRET_KEY=NEW_SECRET, SECRET_KEY_FALLBACKS=SECRET)


def test_rotation_job_encrypts_secrets_again(make_app: MakeApp) -> None:
    user = MfaUser.create(make_app())
    rotated = with_new_key(make_app)
    assert outdated(rotated) == (1, 0)
    with rotated.app_context():
        totp.reencrypt()

    assert outdated(rotated) == (0, 0)
    user.client = make_app(SECRET_KEY=NEW_SECRET).test_client()
    assert user.send_factor(user.challenge()).status_code == 200


def test_rotation_job_leaves_no_secret_under_the_old_key(make_app: MakeApp) -> None:
    """One run of the job encrypts a thousand secrets again, in two batches."""
    MfaUser.create(app := make_app())
    [(factor, user_id)] = [(row, row.user_id) for row in query_all(app, select(TotpFactor))]
    common = {name: getattr(factor, name) for name in ("session_id", "name", "last_step", "created_at", "confirmed_at")}

    def insert_factors() -> None:
        for number in range(1, THOUSAND):
            secret = crypto.encrypt(totp.LABEL, number.to_bytes(20), f"{user_id}.{number}".encode())
            db.session.add(TotpFactor(id=number, user_id=user_id, encrypted_secret=secret, **common))

    in_transaction(app, insert_factors)
    rotated = with_new_key(make_app)
    assert outdated(rotated) == (THOUSAND, 0)
    with rotated.app_context():
        totp.reencrypt()

    new_key_only = make_app(SECRET_KEY=NEW_SECRET)
    assert outdated(new_key_only) == (0, 0)
    stored = query_all(new_key_only, select(TotpFactor).where(TotpFactor.id < THOUSAND))
    with new_key_only.app_context():
        for row in stored:
            secret = crypto.decrypt(totp.LABEL, row.encrypted_secret, f"{user_id}.{row.id}".encode())
            assert secret == (row.id.to_bytes(20), True)


def test_sign_in_encrypts_secret_again(make_app: MakeApp) -> None:
    user = MfaUser.create(make_app())
    rotated = with_new_key(make_app)
    user.client = rotated.test_client()
    assert user.send_factor(user.challenge()).status_code == 200

    assert outdated(rotated) == (0, 0)


def test_undecryptable_secrets_are_counted(make_app: MakeApp) -> None:
    app = make_app()
    MfaUser.create(app)
    execute_statement(app, update(TotpFactor).values(encrypted_secret=b"\0" * 64))

    assert outdated(app) == (0, 1)
