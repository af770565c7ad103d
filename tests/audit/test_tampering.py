"""Whoever can write to the database, but has no SECRET_KEY, cannot change the trail without a trace."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import select
from tests.audit.auditor import Auditor
from tests.inside import recorded, rows

from flaskauth.audit.models import AuditEvent, AuditSeal
from flaskauth.foundation import clock

HOURS = timedelta(hours=5)

Meddle = Callable[[Auditor, list[int]], None]

COPIED = "at, name, user_id, session_id, ip, device, request_id, details, salt, personal, mark, seal"


def sql(statement: str) -> Meddle:
    """Does this to the second of four events; :other is the third, :free an id that nobody has."""

    def meddle(auditor: Auditor, ids: list[int]) -> None:
        values = {"it": ids[1], "other": ids[2], "free": ids[3] + 1}
        auditor.does(statement, **{name: value for name, value in values.items() if f":{name}" in statement})

    return meddle


SET = "UPDATE audit_events SET {} WHERE id = :it"
ADD = f"INSERT INTO audit_events (id, {COPIED}) SELECT :free, {{}} FROM audit_events WHERE id = :it"
EVENTS: dict[str, tuple[Meddle, str]] = {
    "another name": (sql(SET.format("name = 'signed_out'")), "event_altered"),
    "another person": (sql(SET.format("user_id = 8")), "event_altered"),
    "nobody": (sql(SET.format("user_id = NULL")), "event_altered"),
    "a session": (sql(SET.format("session_id = 1")), "event_altered"),
    "another time": (sql(SET.format("at = '2026-01-01 00:00:00.000000'")), "event_altered"),
    "another address": (sql(SET.format("ip = '192.0.2.1'")), "event_altered"),
    "another device": (sql(SET.format("device = 'Firefox'")), "event_altered"),
    "another request": (sql(SET.format("request_id = 'r'")), "event_altered"),
    "other details": (sql(SET.format("details = '{}'")), "event_altered"),
    "details that are no JSON": (sql(SET.format("details = 'hush'")), "event_altered"),
    "another salt": (sql(SET.format("salt = X'00112233445566778899aabbccddeeff'")), "event_altered"),
    "another digest": (sql(SET.format("personal = mark")), "event_altered"),
    "another mark": (sql(SET.format("mark = personal")), "event_altered"),
    "no mark": (sql(SET.format("mark = NULL")), "event_altered"),
    "erased, but not with the person": (
        sql(SET.format("ip = NULL, device = NULL, request_id = NULL, details = '{}', salt = NULL")),
        "event_altered",
    ),
    "deleted": (sql("DELETE FROM audit_events WHERE id = :it"), "event_missing"),
    "taken out of its seal": (sql(SET.format("seal = NULL")), "event_missing"),
    "in a seal that is not there": (sql(SET.format("seal = 99")), "event_missing"),
    "added": (sql(ADD.format(COPIED)), "event_foreign"),
    "added without a seal": (sql(ADD.format(COPIED.replace("seal", "NULL"))), "event_altered"),
    "added without a mark": (sql(ADD.format(COPIED.replace("mark, seal", "NULL, NULL"))), "event_foreign"),
}


def test_an_event_that_is_meddled_with_is_told(auditor: Auditor) -> None:
    auditor.batches(1)
    ids = auditor.writes(4)
    auditor.seals()
    auditor.batches(1)

    for how, (meddle, what) in EVENTS.items():
        with auditor.meddling():
            meddle(auditor, ids)
            found = auditor.finds()
            assert found, how
            assert found.what == what, how
            assert (found.seal == 2) if what == "event_missing" else (found.event in {ids[1], ids[3] + 1}), how
    assert auditor.finds() is None


BARE = "salt = NULL, personal = NULL, mark = NULL, ip = '192.0.2.1'"
UNMARKED: dict[str, Meddle] = {
    "all of them": sql(f"UPDATE audit_events SET {BARE}"),
    "some of them": sql(f"{SET.format(BARE)} OR id = :other"),
    "one more": sql(ADD.format(COPIED.replace("salt, personal, mark, seal", "NULL, NULL, NULL, NULL"))),
}


SEALS = {
    **{name: f"{name} = {name} + 1" for name in ("first_id", "last_id", "count", "late", "unproven")},
    **{name: f"{name} = '2026-01-01 00:00:00.000000'" for name in ("ends_at", "kept_since", "sealed_at")},
    **{name: f"{name} = {other}" for name, other in [("digest", "mac"), ("previous", "mac"), ("mac", "digest")]},
}
PLACES = {"first": 1, "in the middle": 2, "newest": 3}


def test_a_seal_that_is_altered_is_told(auditor: Auditor) -> None:
    auditor.batches(3)

    assert set(SEALS) == set(AuditSeal.__table__.c.keys()) - {"ordinal"}
    for column, ordinal in product(SEALS, PLACES.values()):
        with auditor.meddling():
            auditor.does(f"UPDATE audit_seals SET {SEALS[column]} WHERE ordinal = :it", it=ordinal)
            found = auditor.finds()
            assert found, (column, ordinal)
            assert found.seal == ordinal, (column, ordinal)
    assert auditor.finds() is None


def test_a_seal_that_is_gone_is_told(auditor: Auditor) -> None:
    auditor.batches(3)

    for ordinal in PLACES.values():
        with auditor.meddling():
            auditor.does("DELETE FROM audit_seals WHERE ordinal = :it", it=ordinal)
            found = auditor.finds()
            assert found
            assert (found.what, found.seal) == ("seal_missing", ordinal)


def test_a_chain_that_was_made_anew_without_the_secret_is_told_and_stays_told(auditor: Auditor) -> None:
    """Also by the seals that come after: they do not carry on what no secret of ours closed."""
    auditor.batches(1)
    forged = {"digest": b"x" * 32, "previous": b"", "mac": b"y" * 32}
    auditor.does("UPDATE audit_seals SET digest = :digest, previous = :previous, mac = :mac", **forged)
    assert auditor.verifies().broken == "event_altered"

    auditor.does("UPDATE audit_seals SET count = 0")
    auditor.does("DELETE FROM audit_events")
    auditor.batches(1)
    assert auditor.chain()[1].previous == b""
    assert auditor.verifies().broken == "event_altered"


def test_a_seal_that_nothing_vouches_for_is_told(auditor: Auditor) -> None:
    """Whoever empties both tables' beginnings cannot say that retention did."""
    auditor.batches(4)
    auditor.does("DELETE FROM audit_events WHERE seal <= 2")
    auditor.does("DELETE FROM audit_seals WHERE ordinal <= 1")

    assert auditor.verifies().broken == "seal_missing"


def test_an_end_that_was_cut_off_with_its_events_is_told_by_a_seal_noted_elsewhere(auditor: Auditor) -> None:
    auditor.batches(2)
    noted = auditor.verifies().anchor
    auditor.batches(1)
    assert auditor.verifies("--anchor", noted).broken is None
    for table, column in [("audit_events", "seal"), ("audit_seals", "ordinal")]:
        auditor.does(f"DELETE FROM {table} WHERE {column} >= 2")

    assert auditor.verifies().broken is None  # nothing inside can know
    assert auditor.verifies("--anchor", noted).broken == "tail_missing"
    auditor.batches(2)
    assert auditor.verifies("--anchor", noted).broken == "tail_missing"


def test_an_event_that_waits_for_its_seal_cannot_be_altered_either(auditor: Auditor) -> None:
    auditor.batches(1)
    ids = auditor.writes(2)
    auditor.does("UPDATE audit_events SET name = 'signed_out' WHERE id = :it", it=ids[0])
    found = auditor.verifies()
    assert (found.broken, found.told["broken"]["event"]) == ("event_altered", ids[0])

    auditor.seals()
    assert auditor.verifies().broken == "event_foreign"  # the seal says that it bore no mark of ours


@pytest.mark.parametrize("how", ["all of them", "some of them", "one more"])
def test_an_event_without_a_mark_is_told_though_no_seal_is_left(auditor: Auditor, how: str) -> None:
    """Also once the server itself has sealed it: whoever empties the seals cannot have it vouch for the rest."""
    auditor.batches(1)
    ids = auditor.writes(4)
    auditor.seals()
    auditor.does("DELETE FROM audit_seals")
    auditor.does("UPDATE audit_events SET seal = NULL")
    UNMARKED[how](auditor, ids)
    assert auditor.verifies().broken == "event_foreign"

    auditor.batches(2)
    assert auditor.verifies().broken == "event_foreign"


def test_seals_that_were_deleted_so_that_the_server_seals_the_rest_anew_are_noticed(auditor: Auditor) -> None:
    """Nothing that is left is wrong: but no server that runs seals an event hours later."""
    auditor.batches(1)
    ids = auditor.writes(3)
    auditor.seals()
    noted = auditor.verifies().anchor
    clock.travel(HOURS)
    auditor.does("DELETE FROM audit_seals WHERE ordinal >= 2")
    auditor.does("UPDATE audit_events SET seal = NULL WHERE seal >= 2")
    auditor.does("DELETE FROM audit_events WHERE id = :it", it=ids[1])
    before = auditor.verifies()
    assert (before.broken, before.told["overdue"], before.told["delayed"]) == (None, 2, 0)

    auditor.batches(1)  # the old ones are taken in together with new ones
    after = auditor.verifies()
    assert (after.broken, after.told["overdue"], after.told["delayed"]) == (None, 0, 1)
    assert after.told["last_delayed"]["seal"] == 2
    assert auditor.verifies("--anchor", noted).broken == "tail_missing"


def test_what_was_sealed_late_is_a_warning_to_people_and_no_fault(auditor: Auditor) -> None:
    """A server that stood still for a day seals late too."""
    auditor.writes(2)
    clock.travel(HOURS)
    assert auditor.types()[1].splitlines()[1].startswith("3 events have waited for a seal for more than an hour.")

    auditor.seals()
    code, told = auditor.types()
    [seal] = auditor.chain()
    made = f"{seal.sealed_at:%Y-%m-%d %H:%M} UTC"
    assert (code, told.splitlines()[0][:19]) == (0, "The trail is whole.")
    assert told.splitlines()[1].startswith(f"1 of the seals came more than an hour late, the last is seal 1 of {made}.")


def _give_a_beginning(auditor: Auditor, kept: int, old: str) -> None:
    """Have the server seal an old event after a seal that is deleted then, and go on."""
    auditor.does("DELETE FROM audit_seals WHERE ordinal < 3")
    if not kept:
        auditor.does("UPDATE audit_seals SET ordinal = 1000")
    auditor.does(old)
    auditor.seals()
    auditor.does("DELETE FROM audit_events")
    auditor.does("DELETE FROM audit_seals WHERE ordinal = :kept", kept=kept or 1000)
    auditor.batches(1)


@pytest.mark.parametrize("kept", [0, 3], ids=["a seal made up", "the newest seal"])
def test_nobody_can_pretend_that_retention_took_what_is_gone(auditor: Auditor, kept: int) -> None:
    """By an event that is old enough, which the server seals, after a seal that is deleted then."""
    auditor.batches(3)
    noted = auditor.verifies().anchor
    auditor.does("DELETE FROM audit_events")
    made_up = "INSERT INTO audit_events (id, at, name, details) VALUES (1, '2001-01-01 00:00:00', 'sign_in', '{}')"
    _give_a_beginning(auditor, kept, made_up)

    assert auditor.verifies().broken == "seal_missing"
    assert auditor.verifies("--anchor", noted).broken == "seal_missing"


@pytest.mark.parametrize("kept", [0, 3], ids=["a seal made up", "the newest seal"])
def test_nor_by_an_event_that_was_kept_until_it_is_past_retention(auditor: Auditor, kept: int) -> None:
    [old] = auditor.writes(1)
    clock.travel(timedelta(days=366))
    auditor.batches(3)
    noted = auditor.verifies().anchor
    auditor.does("DELETE FROM audit_events WHERE id <> :it", it=old)
    _give_a_beginning(auditor, kept, "UPDATE audit_events SET seal = NULL")

    found = auditor.verifies()
    assert (found.broken, found.told["delayed"]) == ((None, 1) if kept else ("seal_alone", 0))
    assert auditor.verifies("--anchor", noted).broken == ("tail_missing" if kept else "seal_alone")


def test_what_is_told_to_people_names_the_event(auditor: Auditor) -> None:
    auditor.batches(1)
    code, told = auditor.types()
    assert (code, told.splitlines()[0][:19]) == (0, "The trail is whole.")

    made = recorded(auditor.app, "signing_key_made")
    auditor.does("UPDATE audit_events SET user_id = 9 WHERE id = :it", it=made.id)
    code, told = auditor.types()
    assert (code, told.splitlines()[0]) == (1, f"Event {made.id} is not what was written.")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_no_column_should_hold_is_told_like_anything_else(auditor: Auditor) -> None:
    """SQLite takes any value for any column."""
    auditor.batches(2)
    [made] = rows(auditor.app, select(AuditEvent.id).filter_by(name="signing_key_made"))
    for table, column in [("audit_events", "at"), ("audit_events", "mark"), ("audit_events", "user_id")]:
        with auditor.meddling():
            auditor.does(f"UPDATE {table} SET {column} = 'hush' WHERE id = :it", it=made)
            found = auditor.finds()
            assert (found and found.what, found and found.event) == ("event_altered", made)
    for column in ("mac", "sealed_at", "count"):
        with auditor.meddling():
            auditor.does(f"UPDATE audit_seals SET {column} = 'hush' WHERE ordinal = 2")
            found = auditor.finds()
            assert found
            assert found.seal == 2


def test_a_seal_that_is_no_seal_is_refused(auditor: Auditor) -> None:
    assert auditor.types("--anchor", "17")[0] == 2
