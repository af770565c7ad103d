"""Events are sealed afterwards: all of them, once, whoever does it, whatever is erased or over by then."""

from contextlib import redirect_stderr
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import func, insert, select
from tests.audit.auditor import Auditor
from tests.closing.leaving import closed, erase_after
from tests.conftest import SECRET, MakeApp
from tests.inside import change, recorded, rows, statements, together, within
from tests.journal import Journal
from tests.people import People

from flaskauth import audit
from flaskauth.app import purge
from flaskauth.audit import sealing, verification
from flaskauth.audit import service as trail
from flaskauth.audit.models import AuditEvent
from flaskauth.foundation import clock
from flaskauth.keys import service as keys

DAY = timedelta(days=1)
OTHER = "7u_Bn24mXe9Qk1sWz8Rv5Ty3Ah6Jd0Lc-new"


@pytest.fixture
def without_a_year(auditor: Auditor) -> Auditor:
    """Some events that are past their retention, and some that are not."""
    auditor.batches(3)
    clock.travel(DAY * 364)
    auditor.batches(2)
    clock.travel(DAY * 2)
    return auditor


def test_every_event_is_sealed_once_and_not_before_two_minutes_have_gone_by(auditor: Auditor) -> None:
    ids = auditor.writes(3)
    auditor.seals(timedelta(minutes=1))
    assert auditor.chain() == []
    assert auditor.verifies().told["waiting"] == 4

    auditor.seals(timedelta(minutes=2))
    auditor.seals()
    [seal] = auditor.chain()
    assert (seal.ordinal, seal.count, seal.last_id, seal.previous) == (1, 4, ids[-1], b"")
    assert auditor.verifies().told | {"newest": None} == {
        "ok": True,
        "seals": 1,
        "events": 4,
        "erased": 0,
        "late": 0,
        "waiting": 0,
        "overdue": 0,
        "delayed": 0,
        "last_delayed": None,
        "newest": None,
        "broken": None,
    }


def test_more_than_one_seal_takes_is_sealed_by_several(auditor: Auditor) -> None:
    about = {"at": clock.now(), "name": "profile_edited", "details": {}}
    many = [{"id": number, **about} for number in range(1, sealing.MOST * 2 + 11)]
    change(auditor.app, insert(AuditEvent).values(many))
    auditor.seals()

    assert [seal.count for seal in auditor.chain()] == [sealing.MOST, sealing.MOST, 11]


def test_an_event_that_commits_late_is_sealed_late_and_counted(auditor: Auditor) -> None:
    """Its id is from when it began to be written; a seal meanwhile took in younger ones."""
    [late] = auditor.writes(1)
    auditor.does("UPDATE audit_events SET seal = 99 WHERE id = :it", it=late)  # as if it were not there yet
    auditor.batches(1)
    auditor.does("UPDATE audit_events SET seal = NULL WHERE id = :it", it=late)
    auditor.batches(1)

    assert [seal.late for seal in auditor.chain()] == [0, 1]
    found = auditor.verifies()
    assert (found.broken, found.told["late"]) == (None, 1)


def test_several_processes_that_seal_at_once_make_one_chain(auditor: Auditor, make_app: MakeApp) -> None:
    others = [Auditor.at(make_app(), auditor.database) for _ in range(2)]
    for _ in range(5):
        auditor.writes(6)
        clock.travel(timedelta(minutes=3))
        together([partial(each.seals, timedelta()) for each in [auditor, *others] * 2])

    written = rows(auditor.app, select(func.count()).select_from(AuditEvent))
    assert [seal.ordinal for seal in auditor.chain()] == list(range(1, len(auditor.chain()) + 1))
    assert [sum(seal.count for seal in auditor.chain())] == written
    assert auditor.verifies().broken is None


def test_sealing_beside_requests_loses_none(auditor: Auditor) -> None:
    def seal() -> int:
        for _ in range(20):
            auditor.seals(timedelta())
        return 20

    clock.travel(-timedelta(minutes=3))
    together([seal, *[lambda: len(auditor.writes(20))] * 3])
    auditor.seals(timedelta(minutes=10))

    assert sum(seal.count for seal in auditor.chain()) == 61
    assert auditor.verifies().broken is None


def test_a_person_who_is_erased_is_no_fault_and_cannot_be_guessed(app: Flask, people: People, database: str) -> None:
    """What was sealed is a digest under a salt, and the salt goes with what it hides."""
    closed(people)
    auditor = Auditor.at(app, database)
    auditor.seals()
    erase_after(auditor.app)
    auditor.seals()
    gone = recorded(auditor.app, "account_erased")
    blank = rows(auditor.app, select(AuditEvent).filter_by(user_id=gone.user_id))

    assert {event.salt for event in blank if event.id != gone.id} == {None}
    found = auditor.verifies()
    assert (found.broken, found.told["erased"]) == (None, len(blank) - 1)


def test_somebody_erased_within_the_two_minutes_is_no_fault_either(auditor: Auditor) -> None:
    auditor.writes(1, user_id=7)
    within(auditor.app, lambda: trail.forget(7))
    within(auditor.app, lambda: audit.record("account_erased", user_id=7))
    assert auditor.verifies().told["erased"] == 1
    auditor.seals()

    assert auditor.verifies().told["erased"] == 1


def test_what_is_over_goes_by_whole_seals_and_is_no_fault(without_a_year: Auditor) -> None:
    run_purge(without_a_year.app)
    left = without_a_year.chain()

    assert [seal.ordinal for seal in left] == [3, 4, 5, 6]
    assert rows(without_a_year.app, select(func.count()).select_from(AuditEvent)) == [4]
    found = without_a_year.verifies()
    assert (found.broken, found.told["events"]) == (None, 4)


def test_nothing_is_purged_or_sealed_while_nothing_is_over(auditor: Auditor) -> None:
    auditor.batches(2)
    run_purge(auditor.app)

    assert [seal.ordinal for seal in auditor.chain()] == [1, 2]


def test_a_longer_retention_makes_no_fault_of_what_the_shorter_deleted(
    without_a_year: Auditor, make_app: MakeApp
) -> None:
    run_purge(without_a_year.app)
    longer = Auditor.at(make_app(AUDIT_RETENTION_DAYS="3000"), without_a_year.database)
    assert longer.verifies(AUDIT_RETENTION_DAYS="3000").broken is None
    longer.batches(1)

    assert longer.verifies(AUDIT_RETENTION_DAYS="3000").broken is None


def test_what_was_deleted_before_its_time_is_a_fault_also_at_the_beginning(without_a_year: Auditor) -> None:
    run_purge(without_a_year.app)
    without_a_year.does("DELETE FROM audit_events WHERE seal = 4")
    without_a_year.does("DELETE FROM audit_seals WHERE ordinal = 3")

    assert without_a_year.verifies().broken == "seal_missing"


def test_events_that_nobody_sealed_in_time_are_purged_all_the_same(auditor: Auditor) -> None:
    auditor.writes(3)
    clock.travel(DAY * 366)
    run_purge(auditor.app)

    assert rows(auditor.app, select(func.count()).select_from(AuditEvent)) == [0]
    assert auditor.verifies().broken is None


def test_a_secret_that_changes_breaks_nothing(auditor: Auditor, make_app: MakeApp) -> None:
    """The first seal under the new secret vouches for all before it, so that the old secret may go."""
    auditor.batches(2)
    auditor.writes(1)
    rotated = Auditor.at(make_app(SECRET_KEY=OTHER, SECRET_KEY_FALLBACKS=SECRET), auditor.database)
    rotated.seals()
    both, alone = {"SECRET_KEY": OTHER, "SECRET_KEY_FALLBACKS": SECRET}, {"SECRET_KEY": OTHER}

    assert auditor.verifies(**both).broken is None
    assert auditor.verifies(**alone).broken is None
    assert auditor.verifies().broken == "seal_altered"  # the old secret alone proves the newest no more


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_new_secret_seals_even_when_nothing_happens(auditor: Auditor, make_app: MakeApp) -> None:
    auditor.batches(1)
    rotated = Auditor.at(make_app(SECRET_KEY=OTHER, SECRET_KEY_FALLBACKS=SECRET), auditor.database)
    rotated.seals()
    rotated.seals()

    assert [seal.count for seal in auditor.chain()] == [3, 0]
    assert auditor.verifies(SECRET_KEY=OTHER).broken is None


def test_a_secret_that_is_lost_leaves_a_gap_that_is_told(auditor: Auditor, make_app: MakeApp) -> None:
    auditor.batches(1)
    within(auditor.app, keys.reset)
    auditor.does("DELETE FROM signing_keys")
    lost = Auditor.at(make_app(SECRET_KEY=OTHER), auditor.database)
    lost.batches(1)

    assert lost.verifies(SECRET_KEY=OTHER).broken == "seal_alone"


def test_the_walk_sees_one_moment_though_it_takes_long(auditor: Auditor) -> None:
    """What is sealed or purged meanwhile does not look like a fault."""
    auditor.batches(25)

    def meanwhile(_seals: int) -> None:
        auditor.batches(1)
        clock.travel(DAY * 400)
        run_purge(auditor.app)

    with auditor.app.app_context():
        report = verification.verify(None, meanwhile)
    assert report.broken is None
    assert report.seals == 25


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_was_sealed_is_told_in_the_log_for_whoever_keeps_it_elsewhere(make_app: MakeApp, database: str) -> None:
    told = Journal()
    with redirect_stderr(told):
        auditor = Auditor.at(make_app(), database)
        auditor.batches(2)
    [first, second] = told.of("audit_sealed")

    assert auditor.verifies("--anchor", f"{first['ordinal']}:{first['digest']}").broken is None
    assert f"{second['ordinal']}:{second['digest']}" == auditor.verifies().anchor


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_writing_an_event_asks_the_database_for_nothing_more(auditor: Auditor) -> None:
    with statements(auditor.app) as told:
        auditor.writes(1)

    assert [statement.split()[0] for statement in told if "audit" in statement] == ["INSERT", "SELECT"]


def run_purge(app: Flask) -> None:
    with app.app_context():
        purge()
