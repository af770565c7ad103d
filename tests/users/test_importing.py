"""People come along with their ids, names and hashes; whoever is there already stays as they are."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from tests.inside import recorded, refused
from tests.login.guessing import WRONG_ONE
from tests.passwords.asking import NEW, asked_for, reset
from tests.people import PASSWORD, People
from tests.tables import contents
from tests.users.desk import Desk, everybody, person, who
from tests.users.hashes import KINDS, SAMPLES

HASH = SAMPLES["bcrypt 2b"]
PEOPLE = [
    person("Grace@Example.com", password=HASH, country="NG", locale="en_GB", created_at="2024-01-10T16:43:48+01:00"),
    person("ada@example.com", id=6, verified=False, first_name="Ada", last_name=""),
    person("tim@example.com", id=None, password=SAMPLES["django argon2"], disabled_at="2024-02-01 00:00:00.000"),
]


def as_csv(people: list[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, sorted({name for each in people for name in each}))
    writer.writeheader()
    writer.writerows(people)
    return out.getvalue().encode()


def told(app: Flask) -> list[tuple[Any, ...]]:
    """What stands there, but for the ids and times that were made."""
    return sorted(
        (user.email, user.address, user.password, user.is_verified, user.first_name, user.country_id, user.locale)
        for user in everybody(app)
    )


def test_everything_that_a_row_says_comes_along(app: Flask, desk: Desk) -> None:
    said = desk.imports(*PEOPLE)
    grace, ada, tim = everybody(app)

    assert (said.code, said.count("came in"), said.count("- verified"), said.count("- unverified")) == (0, 3, 2, 1)
    assert (said.count("- hash: bcrypt"), said.count("- hash: none"), said.count("- disabled")) == (1, 1, 1)
    assert (grace.id, grace.email, grace.address) == (5, "Grace@example.com", "grace@example.com")
    assert (grace.country_id, grace.locale, grace.password) == (566, "en-GB", HASH)
    assert grace.created_at == datetime(2024, 1, 10, 15, 43, 48, tzinfo=UTC)
    assert (ada.id, ada.last_name, ada.is_verified, ada.password) == (6, "", False, None)
    assert tim.id > 2**32
    assert tim.disabled_at == datetime(2024, 2, 1, tzinfo=UTC)
    assert recorded(app, "people_imported").details == {"count": 3}


def test_csv_says_the_same_as_json_lines(app: Flask, desk: Desk, database: str) -> None:
    desk.imports(*PEOPLE)
    by_json = told(app)

    said = desk.imports_raw(as_csv(PEOPLE))
    assert (said.code, said.count("there already")) == (0, 3)
    others = [{**each, "id": None, "email": f"x{each['email']}"} for each in PEOPLE]
    assert desk.imports_raw(as_csv(others)).code == 0
    assert [row[2:] for row in told(app) if row[1].startswith("x")] == [row[2:] for row in by_json]


def test_standard_input_is_read_too(app: Flask, desk: Desk) -> None:
    said = desk.types("import", "-", "--format", "csv", stdin=as_csv(PEOPLE))

    assert (said.code, len(everybody(app))) == (0, 3)


def test_who_comes_along_signs_in_and_who_is_kept_out_does_not(app: Flask, desk: Desk) -> None:
    desk.imports(*PEOPLE)

    assert who(app, "grace@example.com").sign_in(PASSWORD).get_json()["user"]["id"] == 5
    assert refused(who(app, "tim@example.com").sign_in(PASSWORD)) == WRONG_ONE


def test_who_is_unverified_comes_in_by_a_reset_which_proves_the_address(app: Flask, desk: Desk, people: People) -> None:
    desk.imports(person("ada@example.com", verified=False, password=HASH))
    ada = who(app, "ada@example.com")
    assert refused(ada.sign_in(PASSWORD)) == WRONG_ONE

    asked = asked_for(people, ada.email)
    assert reset(people.client, asked.code, reset_id=asked.id).status_code == 200
    assert ada.sign_in(NEW).get_json()["user"]["is_verified"] is True


def test_the_same_file_again_changes_nothing(app: Flask, desk: Desk) -> None:
    desk.imports(*PEOPLE)
    who(app).sign_in(PASSWORD)
    before = contents(app)

    said = desk.imports(*PEOPLE)
    assert (said.code, said.count("came in"), said.count("there already")) == (0, 0, 3)
    assert contents(app) == before


def test_who_joined_by_themselves_stays_as_they_are(app: Flask, desk: Desk, people: People) -> None:
    people.joined()
    [before] = told(app)

    said = desk.imports(person("GRACE@example.com", first_name="Mallory", password=HASH))
    assert (said.code, said.count("there already")) == (0, 1)
    assert told(app) == [before]


def test_a_dry_run_says_the_same_and_writes_nothing(app: Flask, desk: Desk) -> None:
    bad = person("nothing", id=7)
    before = contents(app)
    dry = desk.imports(*PEOPLE, PEOPLE[0], bad, options=("--dry-run",))

    assert (dry.code, dry.count("would come in"), dry.count("there already"), dry.count("refused")) == (1, 3, 1, 1)
    assert contents(app) == before
    assert not list(desk.folder.glob("*.refused.*"))
    real = desk.imports(*PEOPLE, PEOPLE[0], bad)
    assert [real.count(what) for what in ("- hash: bcrypt", "- hash: django argon2", "there already", "refused")] == [
        dry.count(what) for what in ("- hash: bcrypt", "- hash: django argon2", "there already", "refused")
    ]


def test_every_kind_is_counted_by_name(desk: Desk) -> None:
    many = [
        person(f"p{number}@example.com", id=number + 1, password=made) for number, made in enumerate(SAMPLES.values())
    ]
    said = desk.imports(*many, options=("--dry-run",))

    assert {kind: said.count(f"- hash: {kind}") for kind in KINDS.values()} == {
        kind: list(KINDS.values()).count(kind) for kind in KINDS.values()
    }


REFUSED: dict[str, dict[str, Any]] = {
    "email: missing": {"email": ""},
    "email: not an address": {"email": "Grace <grace@example.com>"},
    "first_name: has characters that names do not have": {"first_name": "https://example.com"},
    "last_name: longer than 100 characters": {"last_name": "x" * 101},
    "first_name: neither text nor a number": {"first_name": ["Grace"]},
    "password: not of a known kind": {"password": "correct horse battery staple"},
    "password: longer than 255 bytes": {"password": HASH * 5},
    "password: asks for too much work": {"password": HASH.replace("$04$", "$31$")},
    "country: not a code of ISO 3166-1 with two letters": {"country": "XX"},
    "locale: not a language tag": {"locale": "English, mostly"},
    "verified: neither true nor false": {"verified": "perhaps"},
    "created_at: not a time such as 2026-01-10T16:43:48Z": {"created_at": "10.1.2024 16:43"},
    "closes_at: not a time such as 2026-01-10T16:43:48Z": {"closes_at": "9999-12-31T23:59:59-12:00"},
    "id: not a whole number from 1 to 2^53 - 1": {"id": 2**53},
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_right_is_refused_with_the_reason(app: Flask, desk: Desk, reason: str) -> None:
    odd = person(**REFUSED[reason])
    said = desk.imports(odd, person("ada@example.com", id=6))

    assert (said.code, said.count("came in"), said.count(f"- {reason}")) == (1, 1, 1)
    assert [user.id for user in everybody(app)] == [6]
    assert str(odd["password"])[:12] not in said.out + said.error if "password" in odd else True
    assert reason in desk.refused("people.jsonl.refused.jsonl")


def test_refused_rows_stand_in_a_file_for_the_operator_alone_and_can_be_mended(app: Flask, desk: Desk) -> None:
    raw = (
        b'email,first_name,last_name,password\r\nbad,"Grace\r\nB.",x,\xff\r\nada@,"Ada, B",x,' + HASH.encode() + b"\r\n"
    )
    said = desk.imports_raw(raw, options=("--refused", "mend.csv"))
    file = desk.folder / "mend.csv"

    assert (said.code, said.count("refused"), file.stat().st_mode & 0o777) == (1, 2, 0o600)
    assert HASH not in said.out + said.error
    assert file.read_bytes().splitlines()[1] == b'2,"is not UTF-8",bad,"Grace'
    mended = file.read_bytes().replace(b"ada@", b"ada@example.com").replace(b"\xff", b"")
    again = desk.imports_raw(mended, "mend2.csv")
    assert (again.count("came in"), again.count("refused"), again.error) == (1, 1, "")
    assert [user.email for user in everybody(app)] == ["ada@example.com"]


def test_one_id_is_one_persons_and_one_address_says_one_thing(app: Flask, desk: Desk) -> None:
    desk.imports(person(id=5))
    said = desk.imports(
        person("ada@example.com", id=5),
        person("tim@example.com", id=7, first_name="Tim"),
        person("Tim@example.com", id=7, first_name="Tom"),
        person("tom@example.com", id=7),
        person("GRACE@example.com", id=99),
    )

    assert (said.code, said.count("came in"), said.count("there already")) == (1, 1, 1)
    assert said.count("- id: is the one of somebody with another address") == 1
    assert said.count("- email: stands in an earlier row, with other data") == 1
    assert said.count("- id: stands in an earlier row, with another address") == 1
    assert [(user.id, user.first_name) for user in everybody(app)] == [(5, "Grace"), (7, "Tim")]


def test_columns_that_mean_nothing_are_told_once(desk: Desk) -> None:
    said = desk.imports(person(shoe="44", hat="L"), person("ada@example.com", id=6, hat="\x1b[31mM", is_verified=1))

    assert said.error == "Ignored columns: hat, shoe\n"


def test_more_people_than_one_transaction_takes_get_ids_of_their_own(app: Flask, desk: Desk) -> None:
    said = desk.imports(*(person(f"p{number}@example.com", id=None) for number in range(2500)))

    assert (said.code, said.count("came in")) == (0, 2500)
    assert len({user.id for user in everybody(app)}) == 2500
