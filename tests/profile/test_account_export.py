"""The account export contains all data stored about the user, and no credentials or data of other users."""

import base64
import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select
from sqlalchemy.pool import QueuePool
from tests.account_deletion.helpers import delete_account
from tests.email_change.helpers import request_change
from tests.passwords.helpers import request_reset
from tests.registration.helpers import GRACE_EMAIL
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import (
    audit_events,
    captured_statements,
    error_of,
    execute_statement,
    in_transaction,
    query_all,
    run_concurrently,
    single_event,
)
from tests.support.users import (
    CLIENT_IP,
    OTHER_IP,
    PASSWORD,
    TestUser,
    UserFactory,
    bearer,
    code_in_mail,
    forwarded_for,
)
from werkzeug.test import TestResponse

from flaskauth.accounts.models import EmailChange, User
from flaskauth.audit.models import AuditEvent
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.core.db.types import Base
from flaskauth.core.jobs import background
from flaskauth.mail import outbox
from flaskauth.mail.models import OutboxMail
from flaskauth.mail.outbox import Message
from flaskauth.mfa.models import FactorReset, LoginChallenge, Passkey, RecoveryCode, TotpFactor
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.models import EmailLink, OneTimeCode
from flaskauth.one_time_codes.service import CodeRequest
from flaskauth.profile import export_schemas
from flaskauth.profile.export import PAGE_SIZE
from flaskauth.sessions.models import Device, Session

FACTOR_SECTIONS = ("totp_factors", "passkeys", "recovery_codes", "login_challenges", "factor_resets")
SECTIONS = ("sessions", "devices", *FACTOR_SECTIONS, "events", "mails", "email_changes", "codes", "links")
# The columns that the export omits, and why.
OWNER_COLUMNS = {"user_id", "normalized_email"}
SECRET_COLUMNS = {"password", "nonce", "digest", "token_digest", "lookup"}
INTEGRITY_COLUMNS = {"salt", "personal_digest", "signature", "seal"}  # they prove that an audit event is unaltered
ID_COLUMNS = {"id", "link_id", "code_id"}  # the id of a code allows attempts at it
INTERNAL_COLUMNS = {
    "context",
    "message_id",
    "next_attempt_at",
    "leased_until",
    "resend_at",
    "is_decoy",
    "is_suppressed",
}
# Of factors, the export has names and times only.
FACTOR_COLUMNS = {
    *("session_id", "encrypted_secret", "last_step", "salt", "token_digest", "credential_version", "amr"),
    *("device_id", "attempts", "credential_digest", "credential_id", "public_key", "rp_id", "sign_count"),
    *("aaguid", "transports", "can_sign_in", "backup_eligible", "backed_up"),
}
EXPORTED_MODELS: list[tuple[type[Base], Any, set[str]]] = [
    (User, export_schemas.ExportedUserSchema, {"password", "webauthn_user_handle", "credential_version"}),
    (Session, export_schemas.ExportedSessionSchema, OWNER_COLUMNS | SECRET_COLUMNS),
    (Device, export_schemas.ExportedDeviceSchema, OWNER_COLUMNS | SECRET_COLUMNS),
    (AuditEvent, export_schemas.ExportedEventSchema, OWNER_COLUMNS | INTEGRITY_COLUMNS),
    (OutboxMail, export_schemas.ExportedMailSchema, ID_COLUMNS | INTERNAL_COLUMNS),
    (EmailChange, export_schemas.ExportedEmailChangeSchema, OWNER_COLUMNS | ID_COLUMNS),
    (OneTimeCode, export_schemas.ExportedCodeSchema, OWNER_COLUMNS | SECRET_COLUMNS | ID_COLUMNS | INTERNAL_COLUMNS),
    (TotpFactor, export_schemas.ExportedTotpSchema, OWNER_COLUMNS | ID_COLUMNS | FACTOR_COLUMNS),
    (Passkey, export_schemas.ExportedPasskeySchema, OWNER_COLUMNS | ID_COLUMNS | FACTOR_COLUMNS),
    (
        RecoveryCode,
        export_schemas.ExportedRecoveryCodeSchema,
        OWNER_COLUMNS | ID_COLUMNS | FACTOR_COLUMNS | SECRET_COLUMNS,
    ),
    (LoginChallenge, export_schemas.ExportedLoginChallengeSchema, OWNER_COLUMNS | ID_COLUMNS | FACTOR_COLUMNS),
    (FactorReset, export_schemas.ExportedFactorResetSchema, OWNER_COLUMNS | ID_COLUMNS | FACTOR_COLUMNS),
    (EmailLink, export_schemas.ExportedLinkSchema, OWNER_COLUMNS | SECRET_COLUMNS | ID_COLUMNS),
]


def export(users: UserFactory, token: str, at: str = CLIENT_IP) -> TestResponse:
    return users.client.get("/users/export", headers={**bearer(token), **forwarded_for(at)})


def export_json(users: UserFactory, token: str) -> dict[str, Any]:
    response = export(users, token)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.get_json()
    return body


def start_email_change(user_id: int, new_email: str, old_email: str) -> None:
    """Start an email change that waits for its code, and mail a revert link to the old email address."""
    link = links.issue(links.REVERT_EMAIL_CHANGE, user_id, email=old_email, normalized_email=old_email)
    code = codes.issue(CodeRequest("email", new_email, CLIENT_IP, expires_at=clock.now() + codes.CODE_LIFETIME))
    fields = {"email": new_email, "normalized_email": new_email, "link_id": link.id, "created_at": clock.now()}
    db.session.add(EmailChange(id=code.id, user_id=user_id, **fields))
    db.session.flush()
    expires_at = clock.now() + timedelta(days=1)
    outbox.enqueue(
        Message("passwords/password_changed", old_email, outbox.request_details(CLIENT_IP), expires_at, link_id=link.id)
    )


def test_export_contains_all_stored_data(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    SessionClient(users.client, TestUser(users.client, GRACE_EMAIL).login_ok(at=OTHER_IP))
    request_reset(users)
    in_transaction(app, lambda: start_email_change(session.tokens["user"]["id"], "new@example.com", "old@example.com"))
    wait_for_outbox(app)
    users.client.post("/users/edit", json={"country": "NG"}, headers=bearer(session.token))
    body = export_json(users, session.token)
    [user] = query_all(app, select(User))

    assert body["profile"]["country"] == {"id": 566, "name": "Nigeria", "code": "NG"}
    assert (body["profile"]["email"], body["profile"]["id"]) == (GRACE_EMAIL, user.id)
    assert {section: len(body[section]) for section in SECTIONS} == {
        "sessions": 2,
        "devices": 2,
        **dict.fromkeys(FACTOR_SECTIONS, 0),
        "events": len(query_all(app, select(AuditEvent).filter_by(user_id=user.id))),
        "mails": 4,
        "email_changes": 1,
        "codes": 2,
        "links": 2,
    }
    assert [session["ip"] for session in body["sessions"]] == [CLIENT_IP, OTHER_IP]
    assert {mail["recipient"] for mail in body["mails"]} == {GRACE_EMAIL, "old@example.com"}
    assert body["events"][-1]["name"] == "account_exported"
    assert single_event(app, "account_exported").session_id == session.session_id


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_export_covers_every_column(app: Flask) -> None:
    """A new column must be added to the export or to the omitted columns above."""
    for model, schema, omitted in EXPORTED_MODELS:
        columns = set(model.__table__.columns.keys())
        exported = set(schema().fields)
        assert columns - exported <= omitted, model
        assert not exported & SECRET_COLUMNS


def test_export_is_an_uncached_attachment(app: Flask, users: UserFactory) -> None:
    response = export(users, SessionClient.for_new_user(app).token)

    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Content-Disposition"] == 'attachment; filename="account.json"'
    assert response.headers["Cache-Control"] == "no-store"
    assert response.get_json()["status"] == "Success"


def test_export_contains_no_secrets(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    reset = request_reset(users)
    in_transaction(app, lambda: start_email_change(session.tokens["user"]["id"], "new@example.com", GRACE_EMAIL))
    wait_for_outbox(app)
    text = export(users, session.token).text
    mails = users.mailbox.all()

    for secret in (PASSWORD, reset.id, *(session.tokens[name] for name in ("token", "refresh_token", "device_token"))):
        assert secret not in text
    assert not [code_in_mail(mail) for mail in mails if "code" in mail["subject"] and code_in_mail(mail) in text]
    assert reset.code not in text
    assert "Hello" not in text
    for secret in collect_stored_secrets(app):
        assert [encoded for encoded in encoded_forms(secret) if encoded in text] == [], secret


def collect_stored_secrets(app: Flask) -> list[bytes]:
    """Return all binary values of secret columns, and the password hash."""
    secrets = [user.password_hash.encode() for user in query_all(app, select(User))]
    columns = (
        (model, name)
        for model, _, _ in EXPORTED_MODELS
        for name in SECRET_COLUMNS | ID_COLUMNS
        if name in model.__table__.c
    )
    for model, name in columns:
        secrets += [
            value for value in query_all(app, select(model.__table__.c[name])) if isinstance(value, bytes) and value
        ]
    assert len(secrets) > 8
    return secrets


def encoded_forms(secret: bytes) -> list[str]:
    """Return the encodings in which a secret could appear in the response."""
    encodings = [base64.b64encode(secret), base64.urlsafe_b64encode(secret).rstrip(b"="), secret.hex().encode()]
    return [encoded.decode() for encoded in encodings] + [json.dumps(secret.decode("latin-1"))[1:-1]]


def test_export_contains_no_data_of_other_users(app: Flask, users: UserFactory) -> None:
    ada = SessionClient.for_new_user(app, "ada@example.com", at=OTHER_IP)
    request_reset(users, "ada@example.com", at=OTHER_IP)
    in_transaction(
        app, lambda: start_email_change(ada.tokens["user"]["id"], "lovelace@example.com", "byron@example.com")
    )
    token = SessionClient.for_new_user(app).token
    wait_for_outbox(app)
    text = export(users, token).text

    for value in ("ada@", "lovelace@", "byron@", OTHER_IP, str(ada.tokens["user"]["id"]), str(ada.session_id)):
        assert value not in text


def test_export_does_not_reveal_taken_email_addresses(app: Flask, users: UserFactory) -> None:
    """Enumeration: the mail to a taken address is discarded, so its state must not be in the export."""
    users.create_verified("ada@example.com")
    session = SessionClient.for_new_user(app)
    for email in ("ada@example.com", "free@example.com"):
        assert request_change(users.client, session.token, email).status_code == 200
    wait_for_outbox(app)
    body = export_json(users, session.token)

    assert {mail["recipient"] for mail in body["mails"]} == {GRACE_EMAIL}
    assert {mail["state"] for mail in body["mails"]} == {"sent"}
    assert {change["email"] for change in body["email_changes"]} == {"ada@example.com", "free@example.com"}


def test_export_requires_fresh_token(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    session.refresh()

    assert error_of(export(users, session.token)) == (403, "reauthentication_required")
    assert error_of(users.client.get("/users/export")) == (401, "invalid_token")
    assert not audit_events(app, "account_exported")


def test_export_during_pending_deletion_succeeds(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    delete_account(users.client, user.login_ok()["token"])

    assert export_json(users, user.login_ok()["token"])["profile"]["deletion_due_at"]


def test_export_rate_limit_is_five_per_hour(app: Flask, users: UserFactory) -> None:
    session, ada = SessionClient.for_new_user(app), SessionClient.for_new_user(app, "ada@example.com")
    client = app.test_client
    responses = run_concurrently(
        [partial(client().get, "/users/export", headers=bearer(session.token)) for _ in range(8)]
    )
    assert sorted(response.status_code for response in responses) == [200] * 5 + [429] * 3

    response = export(users, session.token)
    assert error_of(response) == (429, "too_many_requests")
    assert 3500 < response.get_json()["retry_after"] <= 3600
    assert export(users, ada.token).status_code == 200
    assert len(audit_events(app, "account_exported")) == 6
    clock.travel(timedelta(hours=1))
    token = TestUser(users.client, GRACE_EMAIL).login_ok()["token"]
    assert export(users, token).status_code == 200


def test_export_streams_audit_log_without_open_transaction(app: Flask, users: UserFactory) -> None:
    """Each page is read in its own transaction; none is open while a slow client receives the response."""
    session = SessionClient.for_new_user(app)
    insert_events(app, session.tokens["user"]["id"], PAGE_SIZE * 3)
    app.extensions[background.KEY].stop()
    with captured_statements(app) as statements:
        response = users.client.get("/users/export", headers=bearer(session.token), buffered=False)
        chunks, page_counts = [], []
        for chunk in response.iter_encoded():
            chunks.append(chunk)
            page_counts.append(len([statement for statement in statements if "ORDER BY audit_events.id" in statement]))
            assert count_connections(app) == 0
    response.close()
    ids = [event["id"] for event in json.loads(b"".join(chunks))["events"]]

    assert (page_counts[0], page_counts[-1]) == (0, 4)
    assert {1, 2, 3} <= set(page_counts)
    assert len(ids) == len(set(ids)) == PAGE_SIZE * 3 + 3


def test_export_stream_works_across_threads(app: Flask, users: UserFactory) -> None:
    """WSGI servers may iterate over a response in several threads."""
    session = SessionClient.for_new_user(app)
    insert_events(app, session.tokens["user"]["id"], PAGE_SIZE * 2)
    response = users.client.get("/users/export", headers=bearer(session.token), buffered=False)
    chunks = response.iter_encoded()
    text = b""
    while chunk := run_concurrently([partial(next, chunks, b"")])[0]:
        text += chunk

    assert len(json.loads(text)["events"]) == PAGE_SIZE * 2 + 3


def insert_events(app: Flask, user_id: int, count: int) -> None:
    fields = {"at": clock.now(), "name": "profile_edited", "user_id": user_id, "details": {}}
    execute_statement(app, insert(AuditEvent).values([{"id": number, **fields} for number in range(1, count + 1)]))


def count_connections(app: Flask) -> int:
    """Return the number of checked-out connections."""
    with app.app_context():
        pool = db.engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


@pytest.mark.parametrize("count", [PAGE_SIZE - 3, PAGE_SIZE * 2 - 3])
def test_export_ends_after_exactly_full_page(app: Flask, users: UserFactory, count: int) -> None:
    session = SessionClient.for_new_user(app)
    insert_events(app, session.tokens["user"]["id"], count)

    assert len(export_json(users, session.token)["events"]) == count + 3


def test_export_aborted_by_client_releases_resources(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    insert_events(app, session.tokens["user"]["id"], PAGE_SIZE * 2)
    response = users.client.get("/users/export", headers=bearer(session.token), buffered=False)
    next(iter(response.iter_encoded()))
    response.close()

    assert users.client.head("/users/export", headers=bearer(session.token)).status_code == 200
    assert export_json(users, session.token)["events"][-1]["name"] == "account_exported"
