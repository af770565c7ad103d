"""An attacker with write access to the database but without SECRET_KEY cannot change the audit log undetected."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import select
from tests.audit.helpers import AuditHarness
from tests.support.inspect import query_all, single_event

from flaskauth.audit.models import AuditEvent, AuditSeal
from flaskauth.core import clock

HOURS = timedelta(hours=5)

Tamper = Callable[[AuditHarness, list[int]], None]

COPIED_COLUMNS = (
    "at, name, user_id, session_id, ip, device, request_id, details, salt, personal_digest, signature, seal"
)


def tamper_by_sql(statement: str) -> Tamper:
    """Tamper with the second of four events. `:other` is the id of the third, `:free` an unused id."""

    def tamper(harness: AuditHarness, ids: list[int]) -> None:
        values = {"it": ids[1], "other": ids[2], "free": ids[3] + 1}
        harness.execute_sql(statement, **{name: value for name, value in values.items() if f":{name}" in statement})

    return tamper


UPDATE_EVENT = "UPDATE audit_events SET {} WHERE id = :it"
INSERT_EVENT = f"INSERT INTO audit_events (id, {COPIED_COLUMNS}) SELECT :free, {{}} FROM audit_events WHERE id = :it"
EVENT_CHANGES: dict[str, tuple[Tamper, str]] = {
    "other name": (tamper_by_sql(UPDATE_EVENT.format("name = 'signed_out'")), "event_altered"),
    "other user": (tamper_by_sql(UPDATE_EVENT.format("user_id = 8")), "event_altered"),
    "no user": (tamper_by_sql(UPDATE_EVENT.format("user_id = NULL")), "event_altered"),
    "other session": (tamper_by_sql(UPDATE_EVENT.format("session_id = 1")), "event_altered"),
    "other time": (tamper_by_sql(UPDATE_EVENT.format("at = '2026-01-01 00:00:00.000000'")), "event_altered"),
    "other IP": (tamper_by_sql(UPDATE_EVENT.format("ip = '192.0.2.1'")), "event_altered"),
    "other device": (tamper_by_sql(UPDATE_EVENT.format("device = 'Firefox'")), "event_altered"),
    "other request": (tamper_by_sql(UPDATE_EVENT.format("request_id = 'r'")), "event_altered"),
    "other details": (tamper_by_sql(UPDATE_EVENT.format("details = '{}'")), "event_altered"),
    "details not JSON": (tamper_by_sql(UPDATE_EVENT.format("details = 'hush'")), "event_altered"),
    "other salt": (tamper_by_sql(UPDATE_EVENT.format("salt = X'00112233445566778899aabbccddeeff'")), "event_altered"),
    "other digest": (tamper_by_sql(UPDATE_EVENT.format("personal_digest = signature")), "event_altered"),
    "other signature": (tamper_by_sql(UPDATE_EVENT.format("signature = personal_digest")), "event_altered"),
    "no signature": (tamper_by_sql(UPDATE_EVENT.format("signature = NULL")), "event_altered"),
    "erased without the account": (
        tamper_by_sql(UPDATE_EVENT.format("ip = NULL, device = NULL, request_id = NULL, details = '{}', salt = NULL")),
        "event_altered",
    ),
    "deleted": (tamper_by_sql("DELETE FROM audit_events WHERE id = :it"), "event_missing"),
    "removed from its seal": (tamper_by_sql(UPDATE_EVENT.format("seal = NULL")), "event_missing"),
    "in a missing seal": (tamper_by_sql(UPDATE_EVENT.format("seal = 99")), "event_missing"),
    "added": (tamper_by_sql(INSERT_EVENT.format(COPIED_COLUMNS)), "event_forged"),
    "added without a seal": (
        tamper_by_sql(INSERT_EVENT.format(COPIED_COLUMNS.replace("seal", "NULL"))),
        "event_altered",
    ),
    "added without a signature": (
        tamper_by_sql(INSERT_EVENT.format(COPIED_COLUMNS.replace("signature, seal", "NULL, NULL"))),
        "event_forged",
    ),
}


def test_altered_event_is_detected(audit_harness: AuditHarness) -> None:
    audit_harness.seal_batches(1)
    ids = audit_harness.record_events(4)
    audit_harness.seal_after()
    audit_harness.seal_batches(1)

    for description, (tamper, code) in EVENT_CHANGES.items():
        with audit_harness.restore_tables():
            tamper(audit_harness, ids)
            failure = audit_harness.find_failure()
            assert failure, description
            assert failure.code == code, description
            assert (failure.seal == 2) if code == "event_missing" else (failure.event in {ids[1], ids[3] + 1}), (
                description
            )
    assert audit_harness.find_failure() is None


UNSIGNED_COLUMNS = "salt = NULL, personal_digest = NULL, signature = NULL, ip = '192.0.2.1'"
UNSIGNED_CHANGES: dict[str, Tamper] = {
    "all": tamper_by_sql(f"UPDATE audit_events SET {UNSIGNED_COLUMNS}"),
    "some": tamper_by_sql(f"{UPDATE_EVENT.format(UNSIGNED_COLUMNS)} OR id = :other"),
    "added": tamper_by_sql(
        INSERT_EVENT.format(COPIED_COLUMNS.replace("salt, personal_digest, signature, seal", "NULL, NULL, NULL, NULL"))
    ),
}


SEAL_CHANGES = {
    **{name: f"{name} = {name} + 1" for name in ("first_id", "last_id", "count", "late_count", "unsigned_count")},
    **{name: f"{name} = '2026-01-01 00:00:00.000000'" for name in ("last_event_at", "retained_since", "sealed_at")},
    **{name: f"{name} = {other}" for name, other in [("digest", "mac"), ("previous", "mac"), ("mac", "digest")]},
}
SEAL_POSITIONS = {"first": 1, "in the middle": 2, "newest": 3}


def test_altered_seal_is_detected(audit_harness: AuditHarness) -> None:
    audit_harness.seal_batches(3)

    assert set(SEAL_CHANGES) == set(AuditSeal.__table__.c.keys()) - {"ordinal"}
    for column, ordinal in product(SEAL_CHANGES, SEAL_POSITIONS.values()):
        with audit_harness.restore_tables():
            audit_harness.execute_sql(f"UPDATE audit_seals SET {SEAL_CHANGES[column]} WHERE ordinal = :it", it=ordinal)
            failure = audit_harness.find_failure()
            assert failure, (column, ordinal)
            assert failure.seal == ordinal, (column, ordinal)
    assert audit_harness.find_failure() is None


def test_deleted_seal_is_detected(audit_harness: AuditHarness) -> None:
    audit_harness.seal_batches(3)

    for ordinal in SEAL_POSITIONS.values():
        with audit_harness.restore_tables():
            audit_harness.execute_sql("DELETE FROM audit_seals WHERE ordinal = :it", it=ordinal)
            failure = audit_harness.find_failure()
            assert failure
            assert (failure.code, failure.seal) == ("seal_missing", ordinal)


def test_chain_rebuilt_without_secret_stays_detected(audit_harness: AuditHarness) -> None:
    """Later seals do not repair it: they do not continue a chain that SECRET_KEY did not authenticate."""
    audit_harness.seal_batches(1)
    forged = {"digest": b"x" * 32, "previous": b"", "mac": b"y" * 32}
    audit_harness.execute_sql("UPDATE audit_seals SET digest = :digest, previous = :previous, mac = :mac", **forged)
    assert audit_harness.verify().failure == "event_altered"

    audit_harness.execute_sql("UPDATE audit_seals SET count = 0")
    audit_harness.execute_sql("DELETE FROM audit_events")
    audit_harness.seal_batches(1)
    assert audit_harness.all_seals()[1].previous == b""
    assert audit_harness.verify().failure == "event_altered"


def test_deleted_chain_start_is_detected(audit_harness: AuditHarness) -> None:
    """An attacker who deletes the start of both tables cannot pretend that retention did."""
    audit_harness.seal_batches(4)
    audit_harness.execute_sql("DELETE FROM audit_events WHERE seal <= 2")
    audit_harness.execute_sql("DELETE FROM audit_seals WHERE ordinal <= 1")

    assert audit_harness.verify().failure == "seal_missing"


def test_truncated_chain_is_detected_by_external_anchor(audit_harness: AuditHarness) -> None:
    audit_harness.seal_batches(2)
    anchor = audit_harness.verify().anchor
    audit_harness.seal_batches(1)
    assert audit_harness.verify("--anchor", anchor).failure is None
    for table, column in [("audit_events", "seal"), ("audit_seals", "ordinal")]:
        audit_harness.execute_sql(f"DELETE FROM {table} WHERE {column} >= 2")

    assert audit_harness.verify().failure is None  # nothing in the database can reveal it
    assert audit_harness.verify("--anchor", anchor).failure == "tail_missing"
    audit_harness.seal_batches(2)
    assert audit_harness.verify("--anchor", anchor).failure == "tail_missing"


def test_altered_unsealed_event_is_detected(audit_harness: AuditHarness) -> None:
    audit_harness.seal_batches(1)
    ids = audit_harness.record_events(2)
    audit_harness.execute_sql("UPDATE audit_events SET name = 'signed_out' WHERE id = :it", it=ids[0])
    result = audit_harness.verify()
    assert (result.failure, result.report["broken"]["event"]) == ("event_altered", ids[0])

    audit_harness.seal_after()
    assert audit_harness.verify().failure == "event_forged"  # the seal counts it as unsigned


@pytest.mark.parametrize("description", ["all", "some", "added"])
def test_unsigned_event_is_detected_without_any_seal(audit_harness: AuditHarness, description: str) -> None:
    """Also after the server has sealed it: deleting all seals does not make forged events valid."""
    audit_harness.seal_batches(1)
    ids = audit_harness.record_events(4)
    audit_harness.seal_after()
    audit_harness.execute_sql("DELETE FROM audit_seals")
    audit_harness.execute_sql("UPDATE audit_events SET seal = NULL")
    UNSIGNED_CHANGES[description](audit_harness, ids)
    assert audit_harness.verify().failure == "event_forged"

    audit_harness.seal_batches(2)
    assert audit_harness.verify().failure == "event_forged"


def test_resealing_after_deletion_is_reported_as_delayed(audit_harness: AuditHarness) -> None:
    """What is left is consistent, but a running server never seals an event hours later."""
    audit_harness.seal_batches(1)
    ids = audit_harness.record_events(3)
    audit_harness.seal_after()
    anchor = audit_harness.verify().anchor
    clock.travel(HOURS)
    audit_harness.execute_sql("DELETE FROM audit_seals WHERE ordinal >= 2")
    audit_harness.execute_sql("UPDATE audit_events SET seal = NULL WHERE seal >= 2")
    audit_harness.execute_sql("DELETE FROM audit_events WHERE id = :it", it=ids[1])
    result_before = audit_harness.verify()
    assert (result_before.failure, result_before.report["overdue"], result_before.report["delayed"]) == (None, 2, 0)

    audit_harness.seal_batches(1)  # covers the old events and the new ones
    result_after = audit_harness.verify()
    assert (result_after.failure, result_after.report["overdue"], result_after.report["delayed"]) == (None, 0, 1)
    assert result_after.report["last_delayed"]["seal"] == 2
    assert audit_harness.verify("--anchor", anchor).failure == "tail_missing"


def test_late_sealing_is_a_warning_and_no_failure(audit_harness: AuditHarness) -> None:
    """A server that was down for a day also seals late."""
    audit_harness.record_events(2)
    clock.travel(HOURS)
    warning = audit_harness.run_verify()[1].splitlines()[2]
    assert warning.startswith("Events waiting for a seal for more than an hour: 3.")

    audit_harness.seal_after()
    code, output = audit_harness.run_verify()
    [seal] = audit_harness.all_seals()
    sealed_at = f"{seal.sealed_at:%Y-%m-%d %H:%M} UTC"
    assert (code, output.splitlines()[0]) == (0, "The audit log is intact.")
    assert output.splitlines()[2].startswith(
        f"Seals written more than an hour late: 1. The last one is seal 1 at {sealed_at}."
    )


def _forge_chain_start(harness: AuditHarness, kept_ordinal: int, statement: str) -> None:
    """Let the server seal an old event after a seal that is deleted then, and continue the chain."""
    harness.execute_sql("DELETE FROM audit_seals WHERE ordinal < 3")
    if not kept_ordinal:
        harness.execute_sql("UPDATE audit_seals SET ordinal = 1000")
    harness.execute_sql(statement)
    harness.seal_after()
    harness.execute_sql("DELETE FROM audit_events")
    harness.execute_sql("DELETE FROM audit_seals WHERE ordinal = :kept", kept=kept_ordinal or 1000)
    harness.seal_batches(1)


@pytest.mark.parametrize("kept_ordinal", [0, 3], ids=["forged seal", "newest seal"])
def test_forged_old_event_cannot_imitate_retention(audit_harness: AuditHarness, kept_ordinal: int) -> None:
    """The forged event is old enough. The server seals it after a seal that is deleted then."""
    audit_harness.seal_batches(3)
    anchor = audit_harness.verify().anchor
    audit_harness.execute_sql("DELETE FROM audit_events")
    forged_event = "INSERT INTO audit_events (id, at, name, details) VALUES (1, '2001-01-01 00:00:00', 'sign_in', '{}')"
    _forge_chain_start(audit_harness, kept_ordinal, forged_event)

    assert audit_harness.verify().failure == "seal_missing"
    assert audit_harness.verify("--anchor", anchor).failure == "seal_missing"


@pytest.mark.parametrize("kept_ordinal", [0, 3], ids=["forged seal", "newest seal"])
def test_kept_old_event_cannot_imitate_retention(audit_harness: AuditHarness, kept_ordinal: int) -> None:
    [old_id] = audit_harness.record_events(1)
    clock.travel(timedelta(days=366))
    audit_harness.seal_batches(3)
    anchor = audit_harness.verify().anchor
    audit_harness.execute_sql("DELETE FROM audit_events WHERE id <> :it", it=old_id)
    _forge_chain_start(audit_harness, kept_ordinal, "UPDATE audit_events SET seal = NULL")

    result = audit_harness.verify()
    assert (result.failure, result.report["delayed"]) == ((None, 1) if kept_ordinal else ("seal_unlinked", 0))
    assert audit_harness.verify("--anchor", anchor).failure == ("tail_missing" if kept_ordinal else "seal_unlinked")


def test_verify_output_names_the_altered_event(audit_harness: AuditHarness) -> None:
    audit_harness.seal_batches(1)
    code, output = audit_harness.run_verify()
    assert (code, output.splitlines()[0]) == (0, "The audit log is intact.")

    event = single_event(audit_harness.app, "signing_key_created")
    audit_harness.execute_sql("UPDATE audit_events SET user_id = 9 WHERE id = :it", it=event.id)
    code, output = audit_harness.run_verify()
    assert (code, output.splitlines()[0]) == (1, f"Event {event.id} was altered.")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_wrongly_typed_sqlite_values_are_detected(audit_harness: AuditHarness) -> None:
    """SQLite accepts any type in any column."""
    audit_harness.seal_batches(2)
    [event_id] = query_all(audit_harness.app, select(AuditEvent.id).filter_by(name="signing_key_created"))
    for table, column in [("audit_events", "at"), ("audit_events", "signature"), ("audit_events", "user_id")]:
        with audit_harness.restore_tables():
            audit_harness.execute_sql(f"UPDATE {table} SET {column} = 'hush' WHERE id = :it", it=event_id)
            failure = audit_harness.find_failure()
            assert (failure and failure.code, failure and failure.event) == ("event_altered", event_id)
    for column in ("mac", "sealed_at", "count"):
        with audit_harness.restore_tables():
            audit_harness.execute_sql(f"UPDATE audit_seals SET {column} = 'hush' WHERE ordinal = 2")
            failure = audit_harness.find_failure()
            assert failure
            assert failure.seal == 2


def test_malformed_anchor_is_a_usage_error(audit_harness: AuditHarness) -> None:
    assert audit_harness.run_verify("--anchor", "17")[0] == 2
