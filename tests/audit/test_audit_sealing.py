"""Each event is sealed once, also with concurrent jobs, erased accounts and expired events."""

from contextlib import redirect_stderr
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import func, insert, select
from tests.account_deletion.helpers import create_pending_deletion, travel_and_erase
from tests.audit.helpers import AuditHarness
from tests.conftest import SECRET, MakeApp
from tests.support.inspect import (
    captured_statements,
    execute_statement,
    in_transaction,
    query_all,
    run_concurrently,
    single_event,
)
from tests.support.log_capture import LogCapture
from tests.support.users import UserFactory

from flaskauth import audit
from flaskauth.app import purge
from flaskauth.audit import sealing, verification
from flaskauth.audit import service as audit_log
from flaskauth.audit.models import AuditEvent
from flaskauth.core import clock
from flaskauth.signing_keys import service as signing_keys

DAY = timedelta(days=1)
NEW_SECRET = "7u_Bn24mXe9Qk1sWz8Rv5Ty3Ah6Jd0Lc-new"


@pytest.fixture
def harness_with_expired_events(audit_harness: AuditHarness) -> AuditHarness:
    """A chain with events before and after the retention limit."""
    audit_harness.seal_batches(3)
    clock.travel(DAY * 364)
    audit_harness.seal_batches(2)
    clock.travel(DAY * 2)
    return audit_harness


def test_events_are_sealed_once_after_two_minutes(audit_harness: AuditHarness) -> None:
    ids = audit_harness.record_events(3)
    audit_harness.seal_after(timedelta(minutes=1))
    assert audit_harness.all_seals() == []
    assert audit_harness.verify().report["unsealed"] == 4

    audit_harness.seal_after(timedelta(minutes=2))
    audit_harness.seal_after()
    [seal] = audit_harness.all_seals()
    assert (seal.ordinal, seal.count, seal.last_id, seal.previous) == (1, 4, ids[-1], b"")
    assert audit_harness.verify().report | {"newest": None} == {
        "ok": True,
        "seals": 1,
        "events": 4,
        "erased": 0,
        "late": 0,
        "unsealed": 0,
        "overdue": 0,
        "delayed": 0,
        "last_delayed": None,
        "newest": None,
        "broken": None,
    }


def test_large_backlog_is_split_into_several_seals(audit_harness: AuditHarness) -> None:
    columns = {"at": clock.now(), "name": "profile_edited", "details": {}}
    rows = [{"id": number, **columns} for number in range(1, sealing.SEAL_SIZE * 2 + 11)]
    execute_statement(audit_harness.app, insert(AuditEvent).values(rows))
    audit_harness.seal_after()

    assert [seal.count for seal in audit_harness.all_seals()] == [sealing.SEAL_SIZE, sealing.SEAL_SIZE, 11]


def test_late_committed_event_is_sealed_and_counted_as_late(audit_harness: AuditHarness) -> None:
    """An event has an earlier id than events that were committed and sealed before it."""
    [late_id] = audit_harness.record_events(1)
    audit_harness.execute_sql(
        "UPDATE audit_events SET seal = 99 WHERE id = :it", it=late_id
    )  # as if it were not committed yet
    audit_harness.seal_batches(1)
    audit_harness.execute_sql("UPDATE audit_events SET seal = NULL WHERE id = :it", it=late_id)
    audit_harness.seal_batches(1)

    assert [seal.late_count for seal in audit_harness.all_seals()] == [0, 1]
    result = audit_harness.verify()
    assert (result.failure, result.report["late"]) == (None, 1)


def test_concurrent_sealing_builds_one_chain(audit_harness: AuditHarness, make_app: MakeApp) -> None:
    other_harnesses = [AuditHarness.attach(make_app(), audit_harness.database) for _ in range(2)]
    for _ in range(5):
        audit_harness.record_events(6)
        clock.travel(timedelta(minutes=3))
        run_concurrently(
            [partial(harness.seal_after, timedelta()) for harness in [audit_harness, *other_harnesses] * 2]
        )

    event_count = query_all(audit_harness.app, select(func.count()).select_from(AuditEvent))
    assert [seal.ordinal for seal in audit_harness.all_seals()] == list(range(1, len(audit_harness.all_seals()) + 1))
    assert [sum(seal.count for seal in audit_harness.all_seals())] == event_count
    assert audit_harness.verify().failure is None


def test_sealing_during_requests_loses_no_event(audit_harness: AuditHarness) -> None:
    def seal() -> int:
        for _ in range(20):
            audit_harness.seal_after(timedelta())
        return 20

    clock.travel(-timedelta(minutes=3))
    run_concurrently([seal, *[lambda: len(audit_harness.record_events(20))] * 3])
    audit_harness.seal_after(timedelta(minutes=10))

    assert sum(seal.count for seal in audit_harness.all_seals()) == 61
    assert audit_harness.verify().failure is None


def test_account_erasure_drops_salt_and_keeps_chain_valid(app: Flask, users: UserFactory, database: str) -> None:
    """The chain contains a salted digest of personal data; erasure deletes the salt."""
    create_pending_deletion(users)
    harness = AuditHarness.attach(app, database)
    harness.seal_after()
    travel_and_erase(harness.app)
    harness.seal_after()
    erased_event = single_event(harness.app, "account_erased")
    user_events = query_all(harness.app, select(AuditEvent).filter_by(user_id=erased_event.user_id))

    assert {event.salt for event in user_events if event.id != erased_event.id} == {None}
    result = harness.verify()
    assert (result.failure, result.report["erased"]) == (None, len(user_events) - 1)


def test_account_erasure_before_sealing_keeps_chain_valid(audit_harness: AuditHarness) -> None:
    audit_harness.record_events(1, user_id=7)
    in_transaction(audit_harness.app, lambda: audit_log.erase_personal_data(7))
    in_transaction(audit_harness.app, lambda: audit.record("account_erased", user_id=7))
    assert audit_harness.verify().report["erased"] == 1
    audit_harness.seal_after()

    assert audit_harness.verify().report["erased"] == 1


def test_purge_deletes_whole_seals_and_keeps_chain_valid(harness_with_expired_events: AuditHarness) -> None:
    run_purge(harness_with_expired_events.app)
    remaining = harness_with_expired_events.all_seals()

    assert [seal.ordinal for seal in remaining] == [3, 4, 5, 6]
    assert query_all(harness_with_expired_events.app, select(func.count()).select_from(AuditEvent)) == [4]
    result = harness_with_expired_events.verify()
    assert (result.failure, result.report["events"]) == (None, 4)


def test_purge_without_expired_events_deletes_nothing(audit_harness: AuditHarness) -> None:
    audit_harness.seal_batches(2)
    run_purge(audit_harness.app)

    assert [seal.ordinal for seal in audit_harness.all_seals()] == [1, 2]


def test_longer_audit_retention_keeps_chain_valid(harness_with_expired_events: AuditHarness, make_app: MakeApp) -> None:
    run_purge(harness_with_expired_events.app)
    longer = AuditHarness.attach(make_app(AUDIT_RETENTION_DAYS="3000"), harness_with_expired_events.database)
    assert longer.verify(AUDIT_RETENTION_DAYS="3000").failure is None
    longer.seal_batches(1)

    assert longer.verify(AUDIT_RETENTION_DAYS="3000").failure is None


def test_early_deletion_at_chain_start_is_detected(harness_with_expired_events: AuditHarness) -> None:
    run_purge(harness_with_expired_events.app)
    harness_with_expired_events.execute_sql("DELETE FROM audit_events WHERE seal = 4")
    harness_with_expired_events.execute_sql("DELETE FROM audit_seals WHERE ordinal = 3")

    assert harness_with_expired_events.verify().failure == "seal_missing"


def test_purge_deletes_expired_unsealed_events(audit_harness: AuditHarness) -> None:
    audit_harness.record_events(3)
    clock.travel(DAY * 366)
    run_purge(audit_harness.app)

    assert query_all(audit_harness.app, select(func.count()).select_from(AuditEvent)) == [0]
    assert audit_harness.verify().failure is None


def test_secret_key_rotation_keeps_chain_valid(audit_harness: AuditHarness, make_app: MakeApp) -> None:
    """The first seal under the new secret covers all earlier ones, so that the old secret can be removed."""
    audit_harness.seal_batches(2)
    audit_harness.record_events(1)
    rotated = AuditHarness.attach(make_app(SECRET_KEY=NEW_SECRET, SECRET_KEY_FALLBACKS=SECRET), audit_harness.database)
    rotated.seal_after()
    both_secrets, new_secret_only = (
        {"SECRET_KEY": NEW_SECRET, "SECRET_KEY_FALLBACKS": SECRET},
        {"SECRET_KEY": NEW_SECRET},
    )

    assert audit_harness.verify(**both_secrets).failure is None
    assert audit_harness.verify(**new_secret_only).failure is None
    assert audit_harness.verify().failure == "seal_altered"  # the old secret alone does not verify the newest seal


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_secret_key_rotation_seals_without_new_events(audit_harness: AuditHarness, make_app: MakeApp) -> None:
    audit_harness.seal_batches(1)
    rotated = AuditHarness.attach(make_app(SECRET_KEY=NEW_SECRET, SECRET_KEY_FALLBACKS=SECRET), audit_harness.database)
    rotated.seal_after()
    rotated.seal_after()

    assert [seal.count for seal in audit_harness.all_seals()] == [3, 0]
    assert audit_harness.verify(SECRET_KEY=NEW_SECRET).failure is None


def test_lost_secret_key_is_reported_as_unlinked_seal(audit_harness: AuditHarness, make_app: MakeApp) -> None:
    audit_harness.seal_batches(1)
    in_transaction(audit_harness.app, signing_keys.replace_all)
    audit_harness.execute_sql("DELETE FROM signing_keys")
    harness = AuditHarness.attach(make_app(SECRET_KEY=NEW_SECRET), audit_harness.database)
    harness.seal_batches(1)

    assert harness.verify(SECRET_KEY=NEW_SECRET).failure == "seal_unlinked"


def test_verify_reads_one_snapshot_during_changes(audit_harness: AuditHarness) -> None:
    """Concurrent sealing and purging are not reported as failures."""
    audit_harness.seal_batches(25)

    def change_tables(_seals: int) -> None:
        audit_harness.seal_batches(1)
        clock.travel(DAY * 400)
        run_purge(audit_harness.app)

    with audit_harness.app.app_context():
        report = verification.verify(None, change_tables)
    assert report.failure is None
    assert report.seals == 25


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_seal_digest_is_logged_as_external_anchor(make_app: MakeApp, database: str) -> None:
    log_capture = LogCapture()
    with redirect_stderr(log_capture):
        harness = AuditHarness.attach(make_app(), database)
        harness.seal_batches(2)
    [first, second] = log_capture.events_named("audit_sealed")

    assert harness.verify("--anchor", f"{first['ordinal']}:{first['digest']}").failure is None
    assert f"{second['ordinal']}:{second['digest']}" == harness.verify().anchor


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_recording_an_event_needs_no_extra_query(audit_harness: AuditHarness) -> None:
    with captured_statements(audit_harness.app) as statements:
        audit_harness.record_events(1)

    assert [statement.split()[0] for statement in statements if "audit" in statement] == ["INSERT", "SELECT"]


def run_purge(app: Flask) -> None:
    with app.app_context():
        purge()
