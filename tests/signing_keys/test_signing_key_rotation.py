"""Signing keys rotate automatically, and all processes learn of new and revoked keys in time."""

from datetime import timedelta
from functools import partial

import click
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from sqlalchemy import delete, select, update
from tests.conftest import SECRET, MakeApp
from tests.sessions.helpers import SessionClient
from tests.signing_keys.forgery import join_parts, sign_ecdsa
from tests.signing_keys.helpers import decode_claims, decode_header, encode, is_signature_valid
from tests.signing_keys.test_jwt_access_tokens import fetch_jwks
from tests.support.inspect import (
    audit_events,
    captured_statements,
    error_of,
    execute_statement,
    in_transaction,
    query_all,
    run_concurrently,
)
from tests.support.users import UserFactory, bearer

from flaskauth.core import clock, crypto
from flaskauth.core.jobs import background
from flaskauth.signing_keys import service
from flaskauth.signing_keys.keyring import ENCRYPTION_LABEL
from flaskauth.signing_keys.models import SigningKey

MONTH = timedelta(days=30)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def session_client(app: Flask) -> SessionClient:
    """Log in, then stop the background thread, so that keys change only when the test changes them."""
    session = SessionClient.for_new_user(app)
    app.extensions[background.KEY].stop()
    return session


def ensure_keys(app: Flask) -> None:
    with app.app_context():
        service.ensure_keys()


def rotate(app: Flask, *, immediately: bool = False) -> str:
    with app.app_context():
        return service.rotate(immediately=immediately)


def jwks_kids(app: Flask) -> list[str]:
    return [key["kid"] for key in fetch_jwks(app)["keys"]]


def kid_of(token: str) -> str:
    return str(decode_header(token)["kid"])


def test_first_signing_key_is_used_immediately(session_client: SessionClient, app: Flask) -> None:
    assert jwks_kids(app) == [kid_of(session_client.token)]
    assert [event.details for event in audit_events(app, "signing_key_created")] == [
        {"kid": kid_of(session_client.token)}
    ]


def test_next_key_is_in_jwks_one_hour_before_it_signs(session_client: SessionClient, app: Flask) -> None:
    [first] = jwks_kids(app)
    clock.travel(MONTH - HOUR - MINUTE)
    ensure_keys(app)
    assert jwks_kids(app) == [first]

    clock.travel(MINUTE * 2)
    ensure_keys(app)
    [_, second] = jwks_kids(app)
    clock.travel(HOUR - MINUTE)
    assert kid_of(login(session_client)) == first
    clock.travel(MINUTE)
    assert kid_of(login(session_client)) == second


def login(session: SessionClient) -> str:
    body = {"email": session.tokens["user"]["email"], "password": "seven green kettles"}
    session.tokens = session.client.post("/auth/login", json=body).get_json()
    return session.token


def test_old_key_is_deleted_after_its_last_token_expires(session_client: SessionClient, app: Flask) -> None:
    clock.travel(MONTH - HOUR)
    ensure_keys(app)
    [first, second] = jwks_kids(app)
    clock.travel(HOUR - timedelta(seconds=5))
    last_token = login(session_client)
    assert kid_of(last_token) == first

    clock.travel(timedelta(minutes=9))
    ensure_keys(app)
    assert session_client.profile_status(last_token) == 200
    assert is_signature_valid(last_token, fetch_jwks(app))
    clock.travel(timedelta(minutes=2))
    ensure_keys(app)
    assert jwks_kids(app) == [second]
    assert len(query_all(app, select(SigningKey))) == 1


def test_overdue_key_signs_until_next_key_is_one_hour_old(session_client: SessionClient, app: Flask) -> None:
    [first] = jwks_kids(app)
    clock.travel(MONTH * 3)
    assert kid_of(login(session_client)) == first
    ensure_keys(app)
    assert (kid_of(login(session_client)), len(jwks_kids(app))) == (first, 2)

    clock.travel(HOUR)
    assert kid_of(login(session_client)) == jwks_kids(app)[1]


def test_all_processes_load_next_key_before_it_signs(
    session_client: SessionClient, app: Flask, make_app: MakeApp
) -> None:
    other_app = make_app()
    new_kid = rotate(app)
    assert new_kid not in jwks_kids(other_app)
    clock.travel(MINUTE)

    assert jwks_kids(other_app) == jwks_kids(app)
    assert jwks_kids(app)[1] == new_kid


def test_rotate_immediately_rejects_tokens_of_old_keys(session_client: SessionClient, app: Flask) -> None:
    old_token = session_client.token
    assert session_client.profile_status(old_token) == 200  # the process caches the verified token
    rotate(app)
    new_kid = rotate(app, immediately=True)

    assert jwks_kids(app) == [new_kid]
    assert session_client.profile_status(old_token) == 401
    assert kid_of(login(session_client)) == new_kid
    assert [event.details for event in audit_events(app, "signing_keys_revoked")] == [{"revoked": 2}]


def test_rotate_immediately_reaches_processes_in_one_minute(
    session_client: SessionClient, app: Flask, make_app: MakeApp
) -> None:
    """A process that only verifies tokens also reloads the keys."""
    other_app = make_app()
    assert session_client.profile_status(app=other_app) == 200
    rotate(app, immediately=True)
    clock.travel(MINUTE)

    assert session_client.profile_status(app=other_app) == 401


@pytest.mark.usefixtures("stopped_clock")
def test_unknown_kid_reloads_keys_at_most_every_ten_seconds(
    session_client: SessionClient, app: Flask, make_app: MakeApp
) -> None:
    other_app = make_app()
    rotate(app, immediately=True)
    token = login(session_client)
    clock.travel(timedelta(seconds=10))
    assert session_client.profile_status(token, app=other_app) == 200

    assert count_key_queries(other_app, token) == 0
    clock.travel(timedelta(seconds=10))
    assert count_key_queries(other_app, token) == 1


def count_key_queries(app: Flask, token: str) -> int:
    """Send tokens with invented key ids and return how often the keys are read from the database."""
    with captured_statements(app) as statements:
        for number in range(20):
            forged = join_parts(decode_header(token) | {"kid": encode(bytes([number] * 32))}, decode_claims(token))
            response = app.test_client().get(
                "/users/profile", headers=bearer(sign_ecdsa(forged, generate_unknown_key()))
            )
            assert error_of(response) == (401, "invalid_token")
    return len([statement for statement in statements if "signing_keys" in statement])


def generate_unknown_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_concurrent_first_key_creation_makes_one_key(app: Flask, make_app: MakeApp) -> None:
    apps = [app, make_app(), make_app()]
    app.test_client().get("/hello")
    execute_statement(app, delete(SigningKey))
    run_concurrently([partial(ensure_keys, target) for target in apps])

    assert len(query_all(app, select(SigningKey))) == 1
    clock.travel(MINUTE)
    assert jwks_kids(apps[0]) == jwks_kids(apps[1]) == jwks_kids(apps[2])


def test_concurrent_next_key_creation_makes_one_key(
    session_client: SessionClient, app: Flask, make_app: MakeApp
) -> None:
    apps = [app, make_app(), make_app()]
    clock.travel(MONTH)
    run_concurrently([partial(ensure_keys, target) for target in apps])

    assert [row.ordinal for row in query_all(app, select(SigningKey))] == [1, 2]
    assert jwks_kids(apps[0]) == jwks_kids(apps[1]) == jwks_kids(apps[2])


def test_startup_with_wrong_secret_fails_without_new_key(session_client: SessionClient, make_app: MakeApp) -> None:
    with pytest.raises(click.ClickException, match="SECRET_KEY_FALLBACKS"):
        make_app(SECRET_KEY="q0Zx8Wc6Ve4Br2Nt1My3Lu5Ki7Jo9HpA")

    assert len(query_all(session_client.client.application, select(SigningKey))) == 1
    assert session_client.profile_status() == 200


def test_startup_with_altered_key_row_fails(session_client: SessionClient, app: Flask, make_app: MakeApp) -> None:
    """A private key is encrypted with its id as associated data, so a row with a different id is rejected."""
    [row] = query_all(app, select(SigningKey))
    execute_statement(app, update(SigningKey).values(kid=encode(bytes(32))))
    with pytest.raises(click.ClickException):
        make_app()
    execute_statement(
        app,
        update(SigningKey).values(
            kid=row.kid,
            encrypted_private_key=row.encrypted_private_key[:-1] + bytes([row.encrypted_private_key[-1] ^ 1]),
        ),
    )
    with pytest.raises(click.ClickException):
        make_app()

    assert session_client.profile_status() == 200


def test_key_of_fallback_secret_is_reencrypted(session_client: SessionClient, app: Flask, make_app: MakeApp) -> None:
    rotated_app = make_app(SECRET_KEY="q0Zx8Wc6Ve4Br2Nt1My3Lu5Ki7Jo9HpA", SECRET_KEY_FALLBACKS=SECRET)
    [row] = query_all(rotated_app, select(SigningKey))
    _, is_current_secret = in_transaction(
        rotated_app, lambda: crypto.decrypt(ENCRYPTION_LABEL, row.encrypted_private_key, row.kid.encode())
    )

    assert is_current_secret
    assert session_client.profile_status(app=rotated_app) == 200


def test_key_reset_after_lost_secret_creates_new_key(session_client: SessionClient, app: Flask) -> None:
    execute_statement(app, update(SigningKey).values(encrypted_private_key=b"unreadable"))
    with app.app_context():
        new_kid = service.replace_all()

    assert jwks_kids(app) == [new_kid]
    assert session_client.profile_status() == 401


def test_unreadable_key_row_keeps_cached_key_in_use(session_client: SessionClient, app: Flask) -> None:
    """While a different process changes the secret, this process keeps its cached keys."""
    execute_statement(app, update(SigningKey).values(encrypted_private_key=b"unreadable"))
    clock.travel(MINUTE * 2)

    assert session_client.profile_status() == 200
    assert error_of(session_client.client.get("/users/profile")) == (401, "invalid_token")
    assert kid_of(login(session_client)) == kid_of(login(session_client))


def test_token_signed_by_unknown_key_is_rejected(app: Flask, users: UserFactory) -> None:
    token = users.create_verified().login_ok()["token"]
    foreign_token = sign_ecdsa(join_parts(decode_header(token), decode_claims(token)), generate_unknown_key())

    assert users.client.get("/users/profile", headers={"Authorization": f"Bearer {foreign_token}"}).status_code == 401
